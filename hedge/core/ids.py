"""Client order indexes: who signed an order, readable from the order itself.

48 bits: 4 bits tag, 12 bits process instance, 32 bits serial. The tag is a first look only, since
other programs give such ids too; the instance tells a twin's order from ours. The
serial of an order is its nonce, so the id is unique and nothing must be stored first; the serial
of a fence marker is a counter of the process, so that an old marker is never taken for a new one.
"""

ORDER_TAG = 0xA
MARKER_TAG = 0xB
_INSTANCE_BITS = 12
_SERIAL_BITS = 32
_INSTANCE_MASK = (1 << _INSTANCE_BITS) - 1
_SERIAL_MASK = (1 << _SERIAL_BITS) - 1


def instance_bits(instance: str) -> int:
    """Return the 12 bits of a process instance (hexadecimal text) that go into its ids."""
    return int(instance, 16) & _INSTANCE_MASK


def order_id(instance: str, nonce: int) -> int:
    """Return the client order index of the order that `instance` signs with `nonce`."""
    return _join(ORDER_TAG, instance, nonce)


def marker_id(instance: str, serial: int) -> int:
    """Return the client order index of the fence marker number `serial` of `instance`."""
    return _join(MARKER_TAG, instance, serial)


def _join(tag: int, instance: str, serial: int) -> int:
    head = (tag << _INSTANCE_BITS) | instance_bits(instance)
    return (head << _SERIAL_BITS) | (serial & _SERIAL_MASK)


def is_ours(client_order_index: int) -> bool:
    """Whether the id carries one of the pair's tags, whichever process signed it."""
    return client_order_index >> (_INSTANCE_BITS + _SERIAL_BITS) in (ORDER_TAG, MARKER_TAG)


def is_marker(client_order_index: int) -> bool:
    """Whether the id is a fence marker's."""
    return client_order_index >> (_INSTANCE_BITS + _SERIAL_BITS) == MARKER_TAG


def serial_of(client_order_index: int) -> int:
    """Return the serial of an id: an order's nonce, a marker's counter."""
    return client_order_index & _SERIAL_MASK


def instance_of(client_order_index: int) -> int:
    """Return the 12 instance bits of an id; compare with `instance_bits`."""
    return (client_order_index >> _SERIAL_BITS) & _INSTANCE_MASK
