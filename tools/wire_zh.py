"""The meaning of every field on the wire in Chinese, by the English one; a test keeps it whole."""

WORDS = {
    "field": "字段",
    "type": "类型",
    "unit": "单位",
    "missing or null": "可缺失或为 null",
    "since v": "自 v",
    "meaning": "含义",
    "one order of `resting`": "`resting` 中的一笔委托",
    "one halt of `halts`": "`halts` 中的一条暂停记录",
}

MEANINGS = {
    "what keeps the side waiting though it may be ready, or what it does not see: a sentence by its"
    " word": "本侧（即使已就绪）在等什么、看不到什么：按代号列出的说明",
    "how many messages and values this process has refused, by cause": (
        "本进程拒收了多少条消息和值，按原因计数"
    ),
    "the worst that its loop was late within the last minute, ms, where it was more than 250": (
        "最近一分钟内其事件循环的最大延迟（毫秒），仅在超过 250 时给出"
    ),
    "symbol of the market that it trades": "所交易市场的代码",
    "A's orders that rest or may rest": "A 正在挂着、或可能挂着的委托",
    "A's position as B covers it; null for A, or while unknown": (
        "B 所对冲的 A 的持仓；A 一侧、或未知时为 null"
    ),
    "epoch of the other side that counts; null before one does": (
        "被承认的对方 epoch；还没有时为 null"
    ),
    "how long an order of A may rest; null for B": "A 的委托最多挂多久；B 为 null",
    "its price": "委托价格",
    "number of this heartbeat within the epoch": "该 epoch 内的心跳序号",
    "our id of the order": "我们给该委托的编号",
    "our ids of the orders whose fate is open": "结果不明的委托在我们这边的编号",
    "size of A's opening orders; null for B": "A 开仓委托的数量；B 为 null",
    "the side's own position; null while unknown": "本侧自己的持仓；未知时为 null",
    "the state of A that this speaks of; null while unknown": "所指的 A 的状态序号；未知时为 null",
    "what A would do": "A 的买卖方向",
    "what became of each command that was heard, by its id": "收到的每条命令的结果，按命令编号",
    "what of it can still fill": "其中还能成交的数量",
    "when the exchange ends it, epoch ms of the exchange's clock": (
        "交易所何时让它失效，交易所时间的 epoch 毫秒"
    ),
    "whether it was asked to stop": "是否已被要求停止",
    "whether nothing of it can happen any more: its last word": (
        "本侧是否已不会再有任何动作：最后一条心跳"
    ),
    "whether the own book is evidence at this moment": "此刻自己的账目是否可以作为依据",
    "while its book is no evidence: for how long its private stream has shown nothing of its"
    " orders": "账目不能作为依据时：私有推送已有多久没有显示自己的委托",
    "whether the own book was proven after this epoch's fence": (
        "自己的账目是否已在本 epoch 的标记单之后核对过"
    ),
    "whether the side was asked to stop and starts nothing new": "本侧是否已被要求停止、不再开新单",
    '"a" or "b"': "“a” 或 “b”",
    '"a" or "b", or empty': "“a” 或 “b”，或为空",
    "A's position": "A 的持仓",
    "A's position after it, negative is short": "成交后 A 的持仓，负数为空头",
    "A's position in that state": "该状态下 A 的持仓",
    "B's position": "B 的持仓",
    "B's trades of this order": "这笔委托在 B 上的成交编号",
    "account A": "账户 A",
    "account A of the pair addressed": "所指一组对冲的账户 A",
    "account B of the pair addressed": "所指一组对冲的账户 B",
    "chain of the pair addressed": "所指一组对冲的链",
    "account B": "账户 B",
    "attempts made": "已尝试次数",
    "average price of its trades": "这些成交的均价",
    "chain of the exchange": "交易所的链编号",
    "configured account A": "配置的账户 A",
    "configured account B": "配置的账户 B",
    "configured chain": "配置的链编号",
    "configured market": "配置的市场",
    "configured sum of both positions": "配置的两侧持仓之和",
    "every trade up to it is part of the proven book": "不大于它的成交都已计入核对过的账目",
    "from A's fill to B's order": "从 A 的成交到 B 的委托",
    "its price against that of A's fills, positive is a loss, without fees; null where a fill has"
    " no known price": "其价格相对 A 的成交价，正数为损失，不含手续费；某笔成交价未知时为 null",
    "host of that process": "该进程所在的主机",
    "id of the command, obeyed once": "命令的编号，只执行一次",
    "id of the halt": "这次暂停交易的编号",
    "market of the debt": "待对冲量所在的市场",
    "market of the order": "委托的市场",
    "market of the pair": "这组对冲的市场",
    "market of the position": "持仓的市场",
    "market of the trade": "成交的市场",
    "market that it trades": "它交易的市场",
    "name of the pair that it trades": "它交易的这组对冲的名字",
    "newest trade in A's position": "A 的持仓所含的最新成交",
    "newest trade in B's position": "B 的持仓所含的最新成交",
    "newest trade in the position": "持仓所含的最新成交",
    "number of the attempt": "第几次尝试",
    "number of this state of A within the instance": "该进程内 A 的状态序号",
    "number of this state within the instance": "该进程内的状态序号",
    "of it, what the exchange refuses as too small": "其中因过小而被交易所拒绝的部分",
    "our id of A's order": "我们给 A 的委托的编号",
    "our id of B's order": "我们给 B 的委托的编号",
    "price of this trade": "成交价",
    "process of A that states it; missing where it is published by hand": (
        "陈述它的 A 进程；手工发布的消息没有此字段"
    ),
    "process of B that writes it": "写入它的 B 进程",
    "process that holds it": "持有租约的进程",
    "process that states it": "陈述它的进程",
    "process that writes it": "写入它的进程",
    "published by hand and still in the target": "手工发布、仍计入目标的数量",
    "since when": "从何时开始",
    "size of this trade": "成交数量",
    "the exchange's id of the trade": "交易所的成交编号",
    "the exchange's index of A's order": "交易所给 A 的委托的编号",
    "the exchange's index of B's order": "交易所给 B 的委托的编号",
    "the operator's reason": "操作者写的原因",
    "the position, negative is short": "持仓，负数为空头",
    "the side's state": "该侧的状态",
    "the state of A that is not covered": "尚未被对冲的 A 状态",
    "the state of A that it answers": "它所确认的 A 状态",
    "value of this trade": "成交额",
    "value of what it executed": "成交额",
    "version of the program": "程序版本",
    "what A did": "A 的方向",
    "what B could hedge with its margin; null for A, or while unknown": (
        "B 的保证金还能对冲多少；A 或未知时为 null"
    ),
    "what B did": "B 的方向",
    "what B still has to trade, positive is buy": "待对冲量，正数为买",
    "what B still has to trade, positive is buy; null while A is unknown": (
        "待对冲量，正数为买；A 未知时为 null"
    ),
    "what B still has to trade, positive is buy; null while unknown": (
        "待对冲量，正数为买；未知时为 null"
    ),
    "what happened, as one word": "发生了什么，一个词",
    "what is asked for: ping, resume or flatten": "要求做什么：ping、resume 或 flatten",
    "epoch and number of the newest heartbeat read of each daemon addressed": (
        "发给哪些进程：每个进程最新被读到的心跳的 epoch 与序号"
    ),
    "ids of the halts that a `resume` releases": "`resume` 要解除的暂停记录的编号",
    "whether to do it although something is open": "有未了结的事项时是否仍然执行",
    "the halts in force": "正在生效的暂停记录",
    "the halts that are known": "已知的暂停记录",
    "processes of the key, the newest last, at most 64": "该密钥的进程，最新的在最后，最多 64 个",
    "API key that it signs with; of a pair's lease": (
        "签名所用的 API 密钥编号；仅出现在对冲组的租约中"
    ),
    "ids that a person has released": "已由人工解除的编号",
    "ids of halts that were released: the newest 64, and each that the other side shows": (
        "已解除的编号：最新的 64 个，以及对方仍显示为生效的每一个"
    ),
    "what the order executed": "委托成交的数量",
    "when A's host published this message": "A 的主机发布这条消息的时刻",
    "when A's host received the trade": "A 的主机收到成交的时刻",
    "when B gave up": "B 放弃的时刻",
    "when each stage of the hedge was passed": "对冲的每个阶段完成的时刻",
    "when it happened": "发生的时刻",
    "when it was asked for": "提出的时刻",
    "when it was settled": "结清的时刻",
    "when it was so": "当时的时刻",
    "when it was traded": "成交的时刻",
    "when it was written": "写入的时刻",
    "whether an order of B is not settled yet": "B 是否还有未结清的委托",
    "what of it B leaves to A at once, for the exchange refuses it for good": (
        "其中因交易所最终拒绝而立即交给 A 处理的数量"
    ),
    "what of it stays naked at once, for the exchange refuses it for good; A reduces itself": (
        "其中因交易所最终拒绝而立即成为单边敞口的数量；由 A 自行减仓"
    ),
    "whether B signs nothing for what is owed, with nothing in flight: it is A's turn": (
        "B 是否已不再为待对冲量下单、且没有在途委托：轮到 A 处理"
    ),
    "whether a trade contradicts A's book, so that its position may be another than it states": (
        "是否有一笔成交与 A 的账本矛盾，即持仓可能与所述不同"
    ),
    "up to when A's book holds all its trades by an answer of the exchange, epoch ms of its"
    " clock; null for B, or while unknown": (
        "按交易所的回答，A 的账本到哪个时刻为止包含全部成交（交易所时钟，毫秒）；B 或未知时为 null"
    ),
    "when the newest fill raised what B owes, epoch ms of the exchange's clock; null for B, or"
    " while unknown": "使待对冲量增加的最新成交的时刻（交易所时钟，毫秒）；B 或未知时为 null",
    "whether A reduces itself by what B has not hedged, until its trades sum": (
        "A 是否正按 B 没有对冲的数量减仓，直到成交数量对得上"
    ),
    "whether A does not reduce what B owes, so that B goes on": (
        "A 是否不减 B 的待对冲量，因而由 B 继续"
    ),
    "how long B may leave a fill of A unhedged before A reduces itself; null for B": (
        "A 的成交多久未被 B 对冲，A 就自行减仓；B 为 null"
    ),
    "whether its streams are up, so that it could lead at once": (
        "行情与账户流是否已连上，可立即接管"
    ),
    "whether the side could do its work now": "该侧现在是否可以工作",
    "which state it answers": "它所确认的状态序号",
    "whose position it is": "谁的持仓",
    "whose state it answers; null while A is unknown": "它所确认的 A 进程；A 未知时为 null",
    "why B gave up; null while it has not": "B 放弃的原因；没有放弃时为 null",
    "why it is not covered yet": "为何尚未对冲完",
    "why it is not ready": "为何未就绪",
    "why, as one word": "原因，一个词",
    "why, in words": "原因说明",
}
