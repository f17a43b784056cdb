"""Requests as hostile and broken clients make them, for the soak: what is sent at once, and what then goes on."""

import random
import struct
import time
import zlib

HEAD = "POST /predict HTTP/1.1\r\nHost: x\r\n"
FORM = "Content-Type: multipart/form-data; boundary=x\r\n"
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 8, 9
PATIENCE = 2
SIDE = 4729


def posted(head, body, length=None):
    """A request whose body has this length, or announces that."""
    return f"{HEAD}{head}Content-Length: {len(body) if length is None else length}\r\n\r\n".encode() + bytes(body)


def goes_on(stream, once, more, pause, times):
    """Sends what comes first, and then some more again and again."""
    stream.sendall(once)
    for _ in range(times):
        stream.sendall(more)
        time.sleep(pause)


def damaged_image(stream, image):
    image = bytearray(image)
    for _ in range(20):
        image[random.randrange(len(image))] = random.randrange(256)
    stream.sendall(posted("Content-Type: image/png\r\n", image))
    stream.recv(4096)


def cut_image(stream, image):
    stream.sendall(posted("Content-Type: image/png\r\n", image[:random.randrange(1, len(image))]))
    stream.recv(4096)


def noise(stream, _):
    stream.sendall(posted("Content-Type: image/png\r\n", random.randbytes(random.randrange(1, 100_000))))


def body_that_never_comes(stream, _):
    stream.sendall(posted("", bytes(random.randrange(100_000)), 30_000_000))
    time.sleep(random.random() * PATIENCE)


def chunks_that_are_none(stream, _):
    stream.sendall(f"{HEAD}Transfer-Encoding: chunked\r\n\r\nfffffff\r\n".encode() + bytes(1000))
    time.sleep(random.random() * PATIENCE)


def no_http(stream, _):
    stream.sendall(random.randbytes(200))


def many_fields(stream, _):
    field = b"--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nb\r\n"
    stream.sendall(posted(FORM, field * 5000 + b"--x--\r\n"))
    stream.recv(4096)


def gone_in_the_middle(stream, image):
    message = posted("Content-Type: image/png\r\n", image)
    stream.sendall(message[:random.randrange(len(message))])


def dripped_preamble(stream, _):
    goes_on(stream, posted(FORM, bytes(1 << 20), 2 << 20), b"x", 0.01, 100)


def dripped_part_headers(stream, _):
    begun = b"--x\r\nContent-Disposition: form-data; name=\"" + b"x" * (1 << 20)
    goes_on(stream, posted(FORM, begun, 2 << 20), b"x", 0.01, 100)


def one_byte_chunks(stream, _):
    goes_on(stream, f"{HEAD}Transfer-Encoding: chunked\r\n\r\n".encode(), b"1\r\nx\r\n" * 1000, 0, 300)


def unread_answer(stream, image):
    part = b"--x\r\nContent-Disposition: form-data; name=\"a\"; filename=\"a.png\"\r\n\r\n" + image + b"\r\n"
    body = part * 8 + b"--x--\r\n"
    stream.sendall(posted("Accept: text/html\r\n" + FORM, body).replace(b"/predict", b"/predict/batch", 1))
    time.sleep(random.random() * PATIENCE)


def large_flat_image(stream, _):
    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    rows = zlib.compressobj(1)
    content = b"".join(rows.compress(bytes(1 + 3 * SIDE)) for _ in range(SIDE)) + rows.flush()
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", SIDE, SIDE, 8, 2, 0, 0, 0))
    stream.sendall(posted("Content-Type: image/png\r\n", png + chunk(b"IDAT", content) + chunk(b"IEND", b"")))
    if random.random() < 0.5:
        stream.recv(4096)


def frame(kind, flags, stream_id, payload):
    """A frame of HTTP/2."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream_id) + payload


def request(method, path):
    """The headers of a request in HPACK: 0x82 is a GET, 0x83 a POST."""
    return bytes([method, 0x86, 0x01, 1]) + b"x" + bytes([0x04, len(path)]) + path


BEGINNING = PREFACE + frame(SETTINGS, 0, 0, b"")


def http2_that_stops(stream, _):
    stream.sendall(PREFACE + random.randbytes(50))


def rapid_resets(stream, _):
    stream.sendall(BEGINNING)
    for first in range(1, 4000, 16):
        for stream_id in range(first, first + 16, 2):
            stream.sendall(frame(HEADERS, 4, stream_id, request(0x83, b"/predict"))
                           + frame(RST_STREAM, 0, stream_id, struct.pack(">I", 8)))
        time.sleep(0.001)


def ping_flood(stream, _):
    goes_on(stream, BEGINNING, frame(PING, 0, 0, bytes(8)) * 100, 0, 100)


def settings_flood(stream, _):
    goes_on(stream, BEGINNING, frame(SETTINGS, 0, 0, b"") * 100, 0, 100)


def continuation_flood(stream, _):
    begun = BEGINNING + frame(HEADERS, 1, 1, request(0x82, b"/ready"))
    goes_on(stream, begun, frame(CONTINUATION, 0, 1, b"\0\1a\1b") * 100, 0, 100)


def small_window(stream, _):
    closed = PREFACE + frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 0))
    asked = b"".join(frame(HEADERS, 5, stream_id, request(0x82, b"/openapi.json")) for stream_id in range(1, 64, 2))
    more = b"".join(frame(WINDOW_UPDATE, 0, stream_id, struct.pack(">I", 1)) for stream_id in range(1, 64, 2))
    goes_on(stream, closed + asked, more, 0.001, 200)


KINDS = [damaged_image, cut_image, noise, body_that_never_comes, chunks_that_are_none, no_http, many_fields,
         gone_in_the_middle, dripped_preamble, dripped_part_headers, one_byte_chunks, unread_answer, http2_that_stops,
         rapid_resets, ping_flood, settings_flood, continuation_flood, small_window]


def send(stream, image):
    """One hostile request of a kind that is drawn by lot; the large image is so dear that it comes seldom."""
    kind = large_flat_image if random.random() < 0.01 else random.choice(KINDS)
    kind(stream, image)
