#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Runs rdma-core's own tests (python3-pyverbs) on a device, each in a process of its own.

    rdma-core-tests.py FOLDER DEVICE[:GID] [PATTERN]...

FOLDER has the package `tests`. GID is an index, and 0 without. PATTERN is a regular expression of tests' names,
MODULE.CLASS.TEST; without one all run. A line says what came of each test. A test that fails under emulation for
its time limit runs once more before it counts. The status is 1 when a test has failed.
"""
import faulthandler
import gc
import json
import os
import random
import re
import signal
import sys
import time
import traceback
import unittest

LIMIT = 150  # seconds a test may take

folder, device, patterns = sys.argv[1], sys.argv[2], sys.argv[3:]
sys.dont_write_bytecode = True
sys.path[:0] = [folder, os.path.join(folder, 'tests')]
name, _, gid = device.partition(':')
sys.argv = [sys.argv[0], '--dev', name] + (['--gid', gid] if gid else [])


def flatten(suite):
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from flatten(item)
        else:
            yield item


def load():
    from args_parser import parser
    parser.parse_args()
    import tests
    import tests.utils
    tests.utils.POLL_CQ_TIMEOUT = LIMIT // 3
    found = {}
    for module in tests.__test_modules__:
        for test in flatten(unittest.defaultTestLoader.loadTestsFromModule(module)):
            found.setdefault(test.id(), test)
    return [test for test in found.values()
            if not patterns or any(re.search(pattern, test.id()) for pattern in patterns)]


def outcome(test):
    result = unittest.TestResult()
    test.run(result)
    if result.errors or result.failures:
        return 'FAILED', '\n'.join(text for _, text in result.errors + result.failures)
    if result.skipped:
        return 'skip', result.skipped[0][1]
    return 'ok', ''


def in_child(test, pipe):
    os.setsid()
    faulthandler.dump_traceback_later(LIMIT - 5)
    random.seed(test.id())
    try:
        said = outcome(test)
    except BaseException:
        said = 'FAILED', traceback.format_exc()
    os.write(pipe, json.dumps(said).encode())
    os._exit(0)  # Python's own way out writes to each page that the child shares with its parent


def ends(pid):
    """The status of the process, or None when it takes longer than the limit."""
    limit = time.monotonic() + LIMIT
    while (left := limit - time.monotonic()) > 0:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return status
        signal.sigtimedwait([signal.SIGCHLD], left)
    os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return None


def run(test):
    read_end, write_end = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(read_end)
        in_child(test, write_end)
    os.close(write_end)
    status = ends(pid)
    try:
        os.killpg(pid, signal.SIGKILL)  # what the test has left
    except ProcessLookupError:
        pass
    with os.fdopen(read_end, 'rb') as pipe:
        said = pipe.read()
    if status is None:
        return 'FAILED', f'the test takes longer than {LIMIT} s'
    if status or not said:
        return 'FAILED', f'the process ends with status {status:#x}'
    return json.loads(said)


def main():
    counts = {'ok': 0, 'skip': 0, 'FAILED': 0}
    tests = load()
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
    # A look for garbage would write to each page that a child shares with its parent.
    gc.collect()
    gc.freeze()
    for test in tests:
        for attempt in 'first', 'second':
            started = time.monotonic()
            result, why = run(test)
            seconds = time.monotonic() - started
            print(f'{result} {test.id()} ({seconds:.1f} s)' + (f': {why.strip()}' if why else ''), flush=True)
            if result != 'FAILED':
                break
        counts[result] += 1
    print(f"{counts['ok']} passed, {counts['skip']} skipped, {counts['FAILED']} failed")
    sys.exit(1 if counts['FAILED'] or not counts['ok'] else 0)


main()
