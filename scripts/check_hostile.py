#!/usr/bin/env python3
"""Runs the program on every file of scripts/make_hostile.py: each must be refused with a message, quickly, in little memory.

    scripts/check_hostile.py --program build/release/paraclip

Seconds and memory are those of the whole process. Exits with 1 if a file is accepted, takes a second or 200 MB, makes the
program crash, or gets its command run.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SECONDS, MEGABYTES = 1.0, 200.0
DATA = 3  # The exit status for bad data (docs/errors.md).


def refuse(program, file):
    """Seconds, megabytes, exit status and the message."""
    started = time.perf_counter()
    process = subprocess.Popen([program, "inspect", file, "--activation", "quick_gelu"], stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE, text=True, errors="replace")
    message = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    return time.perf_counter() - started, usage.ru_maxrss / 1000, os.waitstatus_to_exitcode(status), message.strip()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True)
    program = parser.parse_args().program
    bad, rows = 0, []
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, Path(__file__).with_name("make_hostile.py"), folder], check=True, stdout=subprocess.DEVNULL)
        for file in sorted(f for f in Path(folder).rglob("*") if f.is_file()):
            seconds, megabytes, status, message = refuse(program, file)
            named = file.name in message or file.parent.name in message
            fine = status == DATA and named and seconds < SECONDS and megabytes < MEGABYTES
            bad += not fine
            rows.append((seconds, megabytes))
            print(f"{'' if fine else 'NOT '}refused in {seconds:4.2f} s, {megabytes:3.0f} MB  {file.relative_to(folder)}: "
                  f"{message.replace(folder + '/', '').removeprefix('paraclip inspect: ')[:150]}")
        if (Path(folder) / "OWNED").exists():
            bad += 1
            print("a command in a file was run")
        seconds, megabytes, *_ = refuse(program, Path(folder) / "absent.pt")
    print(f"\n{len(rows)} files, {bad} not refused as they should be; at most {max(r[0] for r in rows):.2f} s and "
          f"{max(r[1] for r in rows):.0f} MB, of which the program itself takes {seconds:.2f} s and {megabytes:.0f} MB")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
