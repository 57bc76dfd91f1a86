"""The Lua scripts: what must happen in Redis in one step, or not at all.

Only commands of Redis 6.2. A lease that cannot be read counts as free: it is the first line of
defence, the exchange's nonces are the last one.

A key that somebody gave another type counts as one that cannot be read, and is written over.

Every script that asks for a lease takes KEYS[1] = lease and ARGV[1..5] = instance, host, TTL in
ms, mode, the lease's value, and answers `{status, lease, note}`. Modes: `held` (only if it is
mine), `free` (also if nobody has it: taken in the same step), `host` (also from an older process
of this host, whose locked file proves that it is dead). Status: `held`, `free`, `host`, or nothing
written: `lapsed` (it was free), `other` (then `lease` is the holder's value).
"""

import enum
import hashlib
from dataclasses import dataclass, field


class LeaseMode(enum.Enum):
    """Whose lease a script may write under; the value is the word in the script."""

    HELD = "held"
    FREE = "free"
    HOST = "host"


class LeaseStatus(enum.Enum):
    """What a script found; the value is the word in its answer."""

    HELD = "held"
    FREE = "free"
    HOST = "host"
    LAPSED = "lapsed"
    OTHER = "other"


@dataclass(frozen=True)
class Script:
    """A script and the digest by which a server that knows it runs it."""

    text: str
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        """Compute the digest that EVALSHA wants."""
        sha = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()
        object.__setattr__(self, "digest", sha)


# Redis 6.2 replicates a script as text unless told otherwise, and then refuses writes after
# XADD with an automatic id; later versions always replicate the effects.
_EFFECTS = """
if redis.replicate_commands then redis.replicate_commands() end
"""

_LEASE = """
local function text(key)
  local raw = redis.pcall('GET', key)
  if type(raw) == 'table' then return '' end
  return raw
end

local function decoded(raw)
  if not raw then return nil end
  local ok, value = pcall(cjson.decode, raw)
  if ok and type(value) == 'table' then return value end
  return nil
end

local function checked()
  local raw = text(KEYS[1])
  local value = decoded(raw)
  local mode = ARGV[4]
  if not value or type(value.instance) ~= 'string' or type(value.host) ~= 'string' then
    if mode == 'held' then return 'lapsed', '' end
    return 'free', ''
  end
  if value.instance == ARGV[1] then return 'held', raw end
  if mode == 'host' and value.host == ARGV[2] then return 'host', raw end
  return 'other', raw
end

local function take()
  redis.call('SET', KEYS[1], ARGV[5], 'PX', ARGV[3])
end
"""

LEASE = Script(
    _LEASE
    + """
local status, raw = checked()
if status ~= 'other' and status ~= 'lapsed' then take() end
return {status, raw, ''}
"""
)
"""Take or prolong the lease."""

RELEASE = Script(
    _LEASE
    + """
local value = decoded(text(KEYS[1]))
if value and value.instance == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""
)
"""Give the lease back if it is mine."""

WRITE = Script(
    _EFFECTS
    + _LEASE
    + """
local status, raw = checked()
if status == 'other' or status == 'lapsed' then return {status, raw, ''} end
if status == 'free' then take() end
local length, sets, outs = ARGV[6], tonumber(ARGV[7]), tonumber(ARGV[8])
local note = ''
for i = 1, sets do redis.call('SET', KEYS[1 + i], ARGV[8 + i]) end
for i = 1, outs do
  local at = 8 + sets + (i - 1) * 3
  local kept = redis.pcall('XADD', KEYS[1 + sets + i], 'MAXLEN', '~', length, '*',
                           'kind', ARGV[at + 1], 'message', ARGV[at + 3])
  if type(kept) == 'table' and kept.err then note = kept.err end
  redis.call('PUBLISH', ARGV[at + 2], ARGV[at + 3])
end
return {status, raw, note}
"""
)
"""Under the lease: SET the keys, then keep each message in its stream and publish it.

KEYS[2..] = the keys to set, then the stream of each message. ARGV[6..] = stream length, number of
keys, number of messages, the values, then kind, channel and text of each message. A stream that
refuses a message does not hold back its publication; its complaint is the `note`.
"""

HALT = Script(
    _EFFECTS
    + _LEASE
    + """
local raw = text(KEYS[1])
local seen, note = '', ''
if raw and raw ~= '' then seen = redis.sha1hex(raw) end
if ARGV[2] ~= '' then
  if seen ~= ARGV[1] then return {0, raw or '', seen, note} end
  redis.call('SET', KEYS[1], ARGV[2])
end
if #ARGV > 2 then
  local kept = redis.pcall('XADD', KEYS[2], 'MAXLEN', '~', ARGV[3], '*',
                           'kind', ARGV[4], 'message', ARGV[6])
  if type(kept) == 'table' and kept.err then note = kept.err end
  redis.call('PUBLISH', ARGV[5], ARGV[6])
end
return {1, '', '', note}
"""
)
"""Replace the halts if they have not changed since they were read; then publish a failure.

KEYS = halts, and the failure's stream. ARGV = digest of what was read ("" for nothing, or no
text), the new halts ("" for none), then if there is a failure: stream length, kind, channel, text.
Answers whether all of it was done; if not, what stands there and its digest.
"""

SCRIPTS = (LEASE, RELEASE, WRITE, HALT)
