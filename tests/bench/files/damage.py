"""Files as they come off a broken upload or a broken disk."""


def damage(random, form, data):
    """What was done, and the damaged file."""
    kinds = ["cut", "hole of zeros", "hole of noise"]
    scans = [at for at in range(len(data) - 1) if data[at : at + 2] == b"\xff\xda"] if form == "jpeg" else []
    if scans:
        kinds += ["cut with an end mark", "missing scan"] if len(scans) > 1 else ["cut with an end mark"]
    kind = str(random.choice(kinds))
    begin = min(64, len(data) // 4)
    at = int(random.integers(begin, max(begin + 1, len(data) - 1)))
    length = int(random.integers(16, 4097))
    if kind == "cut":
        return kind, data[:at]
    if kind == "cut with an end mark":
        at = int(random.integers(scans[0] + 14, max(scans[0] + 15, len(data) - 2)))
        return kind, data[:at] + b"\xff\xd9"
    if kind == "missing scan":
        return kind, data[: scans[int(random.integers(1, len(scans)))]] + b"\xff\xd9"
    hole = bytes(length) if kind == "hole of zeros" else random.bytes(length)
    return kind, data[:at] + hole[: len(data) - at] + data[at + length :]
