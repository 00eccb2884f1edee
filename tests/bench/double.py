#!/usr/bin/env python3
"""A server that only answers: any login, and every query with one row. For thousands of idle sessions.

    double.py PORT
"""

import asyncio
import resource
import struct
import sys

SETTINGS = {"server_version": "15.0", "server_encoding": "UTF8", "client_encoding": "UTF8", "DateStyle": "ISO, MDY",
            "TimeZone": "UTC", "IntervalStyle": "postgres", "integer_datetimes": "on", "is_superuser": "off",
            "session_authorization": "bench", "standard_conforming_strings": "on", "application_name": "",
            "default_transaction_read_only": "off", "in_hot_standby": "off"}


def message(kind, body=b""):
    return kind + struct.pack("!I", len(body) + 4) + body


READY = message(b"Z", b"I")
GREETING = (message(b"R", struct.pack("!I", 0)) +
            b"".join(message(b"S", k.encode() + b"\0" + v.encode() + b"\0") for k, v in SETTINGS.items()))
COLUMN = message(b"T", struct.pack("!H", 1) + b"x\0" + struct.pack("!IHIHIH", 0, 0, 23, 4, 0xffffffff, 0))
ROW = message(b"D", struct.pack("!HI", 1, 1) + b"1") + message(b"C", b"SELECT 1\0")
ANSWERS = {b"Q": COLUMN + ROW + READY, b"P": message(b"1"), b"B": message(b"2"), b"C": message(b"3"),
           b"D": COLUMN, b"E": ROW, b"S": READY}


async def serve(reader, writer, count=[1000]):
    try:
        size, = struct.unpack("!I", await reader.readexactly(4))
        await reader.readexactly(size - 4)
        count[0] += 1
        writer.write(GREETING + message(b"K", struct.pack("!II", count[0], count[0])) + READY)
        while True:
            kind = await reader.readexactly(1)
            size, = struct.unpack("!I", await reader.readexactly(4))
            await reader.readexactly(size - 4)
            if kind == b"X":
                break
            writer.write(ANSWERS.get(kind, b""))
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1]), backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    asyncio.run(main())
