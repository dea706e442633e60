"""A wall clock that jumps for one server alone. The monotonic clock, by which deadlines are kept, goes on as it is.

libfaketime 0.9.10 does the same but breaks clock_nanosleep, and with it Python's time.sleep; so these are thirty lines
of C, which the tests compile themselves.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

_SOURCE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>

static volatile int64_t *offset_s;
static int (*real)(clockid_t, struct timespec *);

__attribute__((constructor)) static void start(void) {
    int fd = open(getenv("LD_SOAK_CLOCK"), O_RDONLY | O_CLOEXEC);
    offset_s = mmap(0, sizeof *offset_s, PROT_READ, MAP_SHARED, fd, 0);
    real = dlsym(RTLD_NEXT, "clock_gettime");
}
int clock_gettime(clockid_t clock, struct timespec *now) {
    int failed = real(clock, now);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += *offset_s;
    return failed;
}
int gettimeofday(struct timeval *now, void *zone) {
    struct timespec precise;
    clock_gettime(CLOCK_REALTIME, &precise);
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return 0;
}
time_t time(time_t *now) {
    struct timespec precise;
    clock_gettime(CLOCK_REALTIME, &precise);
    if (now) *now = precise.tv_sec;
    return precise.tv_sec;
}
"""


class JumpingClock:
    """The clock of all processes that are started with `env`; skips the test where there is no C compiler."""

    def __init__(self, folder: Path) -> None:
        compiler = shutil.which("cc") or shutil.which("gcc")
        if compiler is None:
            pytest.skip("no C compiler (Debian: gcc)")
        self._offset = folder / "clock"
        self.jump_to(0)
        source, library = folder / "clock.c", folder / "clock.so"
        source.write_text(_SOURCE)
        subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
        self.env = {"LD_PRELOAD": str(library), "LD_SOAK_CLOCK": str(self._offset)}

    def jump_to(self, offset_s: int) -> None:
        """Let the server's wall clock be so many seconds ahead of the machine's, from now on."""
        # in place: the processes have this very file mapped
        with self._offset.open("r+b" if self._offset.exists() else "wb") as file:
            file.write(offset_s.to_bytes(8, "little", signed=True))
