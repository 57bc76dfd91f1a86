"""Rows of sections 1.1 to 3.3: calls, objects, sessions, channels, frames."""

from typing import Final

from tests.conformance.rows import Row, section

_AUTH = "test_private_calls_need_a_token"
_PRIVATE = "test_3_2_channels::test_private_channels"
_PUBLIC = "test_3_2_channels::test_public_channels"

ROWS: Final[tuple[Row, ...]] = (
    *section(
        "1.1",
        "test_1_1_endpoints",
        ("GET /: status, network_id, timestamp", "test_status"),
        ("GET /info: contract_address", "test_info"),
        ("GET orderBooks: market_id?, filter?", "test_order_books"),
        ("GET orderBookDetails: market_id?, filter?", "test_order_book_details"),
        ("GET orderBookOrders: market_id, limit up to 250", "test_order_book_orders"),
        ("GET recentTrades: market_id, limit up to 100", "test_recent_trades"),
        (
            "GET trades: sort_by (required), limit up to 100, filters, cursor; token for accounts",
            "test_trades",
            "test_trades_filters",
            "test_trades_of_an_account_need_a_token",
        ),
        ("GET nextNonce: account_index, api_key_index", "test_next_nonce"),
        ("GET apikeys: api_key_index? (255 = all); public_key hex without 0x", "test_apikeys"),
        (
            "POST sendTx: form tx_type, tx_info, price_protection?",
            "test_send_tx",
            "test_send_tx_price_protection",
        ),
        ("POST sendTxBatch: form tx_types, tx_infos", "test_send_tx_batch"),
        ("GET tx: by hash or sequence_index", "test_tx"),
        ("GET accountTxs (token): by account_index, limit, types?", "test_account_txs"),
        ("Weights of the calls", "test_6_limits_and_tiers::test_weights"),
        ("Unknown paths and blocks are HTML 403", "test_unknown_path"),
    ),
    *section(
        "1.1",
        "test_1_1_account_calls",
        (
            "GET account: by index or l1_address, value, active_only?, cursor?",
            "test_account",
            "test_account_active_only",
            "test_sub_accounts_by_address",
        ),
        (
            "GET accountActiveOrders (token): market_id?",
            "test_account_active_orders",
            _AUTH,
        ),
        (
            "GET accountInactiveOrders (token): limit up to 100, filters, cursor",
            "test_account_inactive_orders",
            _AUTH,
        ),
        (
            "GET accountOrders (token): look-up of up to 20 client order indexes",
            "test_account_orders",
            _AUTH,
        ),
        (
            "GET accountLimits (token): tier, fees",
            "test_account_limits",
            _AUTH,
        ),
        (
            "GET liquidations (token)",
            "test_liquidations",
            "test_1_1_funding_and_liquidation::test_liquidations_are_listed",
            _AUTH,
        ),
        (
            "GET positionFunding (token)",
            "test_position_funding",
            "test_1_1_funding_and_liquidation::test_funding_is_paid",
            _AUTH,
        ),
        (
            "GET pnl (token)",
            "test_pnl",
            _AUTH,
        ),
        (
            "POST changeAccountTier (token): without positions and orders, 24 h apart",
            "test_change_account_tier",
            "test_1_1_funding_and_liquidation::test_tier_change_needs_a_flat_account",
        ),
        (
            "POST tokens/create (token): read-only tokens",
            "test_tokens_create",
        ),
    ),
    *section(
        "1.2",
        "test_1_1_endpoints",
        (
            "Errors: HTTP 400, exactly code and message",
            "test_price_of_a_bad_parameter",
            "test_1_2_objects::test_errors_have_code_and_message",
        ),
        ("29404 not found comes with HTTP 400", "test_not_found"),
        ("RespSendTx", "test_send_tx"),
        ("RespSendTxBatch", "test_send_tx_batch"),
        ("NextNonce", "test_next_nonce"),
        ("OrderBook", "test_order_books", "test_1_2_objects::test_markets_of_section_9"),
        ("OrderBookDetail, market_config", "test_order_book_details"),
        ("SimpleOrder", "test_order_book_orders"),
        ("Tx, EnrichedTx", "test_tx", "test_account_txs"),
        (
            "AccountPosition: absolute size with a sign, flat has sign 1",
            "test_1_2_objects::test_position_object",
        ),
        ("AccountAsset", "test_1_2_objects::test_asset_object"),
    ),
    *section(
        "1.2",
        "test_1_1_account_calls",
        (
            "A missing token: 20001, query and header are empty",
            "test_private_calls_need_a_token",
        ),
        ("AccountLimits", "test_account_limits"),
        (
            "DetailedAccount",
            "test_account",
            "test_1_2_objects::test_position_counts_open_orders",
        ),
    ),
    *section(
        "1.3",
        "test_1_2_objects",
        (
            "Order: keys, decimals, strings beside numbers, units",
            "test_order_object",
            "test_order_object_of_btc",
            "test_order_object_partly_filled",
        ),
        ("Names of type and time_in_force", "test_order_types_and_times_in_force"),
        ("order_index = (market + 1) x 2^48 + nonce, asks up, bids down", "test_order_index"),
    ),
    *section(
        "1.4",
        "test_1_2_objects",
        ("Trade: keys, decimals, ms and us, fees left out when zero", "test_trade_object"),
        ("*_position_size_before is signed", "test_trade_positions_before"),
        (
            "Trades of type liquidation",
            "test_1_1_funding_and_liquidation::test_liquidation",
        ),
        ("My side of a trade", "test_both_sides_of_a_trade"),
        ("Trade ids grow", "test_trade_ids_grow"),
    ),
    *section(
        "2",
        "test_2_auth",
        ("Token: deadline:account:key:160 hex digits", "test_shape"),
        ("Valid until its deadline, at most 8 h ahead", "test_deadline"),
        ("Of its own account only", "test_of_another_account"),
        ("Changing the key invalidates its tokens", "test_of_a_deleted_key"),
        ("Signature of a token", "not modelled: signatures are not verified"),
        (
            "Read-only tokens: ro:account:single or all:expiry:hex",
            "test_read_only_token",
            "test_read_only_token_on_a_socket",
            "test_creating_needs_a_token",
        ),
        (
            "Read-only tokens: 1 day to 10 years, ten per account, errors 61001 to 61009",
            "test_read_only_token_validity",
            "test_ten_read_only_tokens",
        ),
        (
            "Maker-only keys (setMakerOnlyApiKeys)",
            "not modelled: every key has the same rights here",
        ),
    ),
    *section(
        "3.1",
        "test_3_1_session",
        ("On connect: session_id, type connected", "test_connected"),
        (
            "subscribe with a slash, subscribed/ with a colon; unsubscribe",
            "test_subscribe_and_unsubscribe",
        ),
        ("Resync: unsubscribe and subscribe", "test_resync_by_unsubscribe_and_subscribe"),
        ("30003 Already Subscribed, no new snapshot", "test_duplicate_subscription"),
        ("30005 Invalid Channel: no type, socket stays open", "test_invalid_channel"),
        (
            "Missing auth: 20001 auth field is required",
            "test_missing_auth",
            "test_token_of_another_account",
        ),
        ("30000, 30001, 30002", "test_invalid_json", "test_invalid_type", "test_not_subscribed"),
        ("Silent clients are closed; any frame counts", "test_silent_client_is_closed"),
        ("ping is answered with pong", "test_application_ping", "test_protocol_ping"),
        ("Server ping, 1008 no pong; shutdown", "test_server_ping", "test_a_stop_is_announced"),
        ("permessage-deflate", "test_permessage_deflate"),
        ("?readonly=true: market data, no transactions", "test_readonly_socket"),
        ("The official WsClient works", "test_official_ws_client"),
    ),
    *section(
        "3.2",
        "test_3_2_channels",
        (
            "order_book: snapshot, deltas every 50 ms, chain by nonce, size 0 deletes",
            "test_order_book",
            "test_order_book_deltas_rebuild_it",
        ),
        ("ticker", "test_ticker", "test_public_channels"),
        ("market_stats of one market or all", "test_market_stats", "test_market_stats_all"),
        ("trade: replays the last 50", "test_trade"),
        ("height", "test_height"),
    ),
    *section(
        "3.2",
        "test_3_2_account_channels",
        (
            "account_all: no token",
            "test_account_all",
            _PUBLIC,
        ),
        (
            "account_market (token)",
            "test_account_market",
            _PRIVATE,
        ),
        (
            "account_orders (token)",
            "test_account_orders",
            _PRIVATE,
        ),
        (
            "account_all_orders (token)",
            "test_account_all_orders",
            _PRIVATE,
        ),
        (
            "account_all_trades (token)",
            "test_account_all_trades",
            _PRIVATE,
        ),
        (
            "account_all_positions (token)",
            "test_account_all_positions",
            _PRIVATE,
        ),
        (
            "account_all_assets (token)",
            "test_account_all_assets",
            _PRIVATE,
        ),
        (
            "user_stats: no token",
            "test_user_stats",
            _PUBLIC,
        ),
        (
            "account_tx (token)",
            "test_account_tx",
            _PRIVATE,
        ),
        (
            "notification (token)",
            "test_notification",
            "test_1_1_funding_and_liquidation::test_liquidation_is_notified",
            _PRIVATE,
        ),
        (
            "account_all: funding_histories",
            "test_1_1_funding_and_liquidation::test_funding_on_the_account_stream",
        ),
    ),
    *section(
        "3.2",
        "test_3_2_account_streams",
        ("A fill: position frame, then trade frame", "test_position_frame_then_trade_frame"),
        ("Updates carry only new trades", "test_updates_carry_only_new_trades"),
        ("A reconnect replays no fill", "test_a_reconnect_replays_no_fill"),
        ("No resume cursor; REST trades catch up", "test_no_resume_but_rest_catches_up"),
        ("account_all_positions: a zero row is flat", "test_zero_row_is_flat"),
        ("account_all_orders: terminal status once", "test_terminal_status_once"),
        ("Trades sum to filled_base_amount", "test_fills_and_the_terminal_row_agree"),
        ("Both accounts of a trade hear of it", "test_both_accounts_of_a_trade_hear_of_it"),
        ("An account's channel is its own", "test_other_accounts_hear_nothing"),
    ),
    *section(
        "3.3",
        "test_3_3_transactions",
        ("jsonapi/sendtx: tx_info is an object", "test_sendtx"),
        ("A refusal has no type", "test_sendtx_refused", "test_sendtx_bad_info"),
        ("jsonapi/sendtxbatch: JSON texts, infos twice encoded", "test_sendtxbatch"),
        ("A batch is not atomic in execution", "test_batch_is_not_atomic"),
        ("Cap of a batch: 15 or 50", "test_batch_of_fifteen"),
        ("One account and key, nonces in a row", "test_batch_nonces", "test_batch_of_two_accounts"),
    ),
)
