#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""
terminal.py CASE COMMAND... - COMMAND, which is to run a program (rump run ... --), at a terminal
of its own: what a person would type and see.
"""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time

PATIENCE = 60
# What is echoed, and when, is a matter of who has the terminal at the moment.
CAT = ' sed -u s/^/got:/'


class Terminal:
    def __init__(self, argv):
        self.seen = ''
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update(PS1='ready: ', TERM='xterm')
            os.execvp(argv[0], argv)

    def read(self):
        """What has come, or nothing at the end."""
        if not select.select([self.fd], [], [], PATIENCE)[0]:
            sys.exit(f'nothing more comes after {self.seen!r}')
        try:
            data = os.read(self.fd, 4096).decode()
        except OSError:
            data = ''
        self.seen += data
        return data

    def expect(self, pattern):
        while not (found := re.search(pattern, self.seen)):
            if not self.read():
                sys.exit(f'{pattern!r} is wanted, and {self.seen!r} has come')
        self.seen = self.seen[found.end():]
        return found

    def type(self, text):
        os.write(self.fd, text.encode())

    def size(self, rows, columns):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack('HHHH', rows, columns, 0, 0))

    def end(self, wanted):
        while self.read():
            pass
        status = os.waitpid(self.pid, 0)[1]
        if status != wanted:
            sys.exit(f'status {status:#x}, and {wanted:#x} is wanted; {self.seen!r}')


def size(command):
    """The program sees the terminal's size, and its changes."""
    t = Terminal(command + ['sh', '-c', 'trap "stty size; exit 3" WINCH; stty size; echo up; '
                            'while :; do sleep 0.05; done'])
    t.expect('up')
    t.size(33, 101)
    t.expect('33 101')
    t.end(3 << 8)


def interrupt(command):
    """Ctrl-C is for the program, once."""
    t = Terminal(command + ['sh', '-c', 'trap "echo got; n=x\\$n" INT; echo up; '
                            'while [ "$n" != xx ]; do sleep 0.05; done; exit 4'])
    t.expect('up')
    t.type('\3')
    t.expect('got')
    # Had it come twice, there would be no more to wait for.
    time.sleep(0.3)
    if os.waitpid(t.pid, os.WNOHANG)[0]:
        sys.exit('the signal came twice')
    t.type('\3')
    t.expect('got')
    t.end(4 << 8)
    t = Terminal(command + ['sh', '-c', 'echo up; while :; do sleep 0.05; done'])
    t.expect('up')
    t.type('\3')
    t.end(signal.SIGINT)


def quit(command):
    """Ctrl-\\ too; a hang-up; end of input."""
    t = Terminal(command + ['sh', '-c', 'ulimit -c 0; echo up; while :; do sleep 0.05; done'])
    t.expect('up')
    t.type('\34')
    t.end(signal.SIGQUIT)
    t = Terminal(command + ['sh', '-c', 'tty && sed -u s/^/got:/ && exit 5'])
    t.expect('/dev/')
    t.type('a line\n')
    t.expect('got:a line')
    t.type('\4')
    t.end(5 << 8)


def hangup(command):
    """The terminal is closed."""
    t = Terminal(command + ['sh', '-c', 'trap "exit 6" HUP; echo up; while :; do sleep 0.05; done'])
    t.expect('up')
    os.close(t.fd)
    status = os.waitpid(t.pid, 0)[1]
    if status != 6 << 8:
        sys.exit(f'status {status:#x} after a hang-up')


def stop_and_go_on(t):
    """Ctrl-Z, jobs and fg of the program in front, which then reads a line."""
    t.type('\32')
    t.expect('Stopped')
    t.expect('ready: ')
    t.type('jobs; echo shell\n')
    t.expect('Stopped')
    t.expect(r'\nshell')
    t.type('fg\n')
    t.type('two\n')
    t.expect('got:two')


def jobs(command):
    """Ctrl-Z, fg, bg, and a job in the background that reads, in a shell."""
    t = Terminal(['bash', '--norc', '--noprofile', '-i'])
    t.expect('ready: ')
    t.type(' '.join(command) + CAT + '\n')
    t.type('one\n')
    t.expect('got:one')
    stop_and_go_on(t)
    t.type('\4')
    t.expect('ready: ')
    t.type('echo status=$?\n')
    t.expect('status=0')
    t.expect('ready: ')
    t.type(' '.join(command) + CAT + ' &\n')
    t.expect(r'\[1\]')
    # It stops when it reads; the shell says so at its next prompt.
    for _ in range(PATIENCE * 10):
        t.type('jobs; echo said\n')
        t.expect('\r\n')
        if 'Stopped' in t.expect(r'(?s)(.*?)\nsaid').group(1):
            break
        time.sleep(0.1)
    else:
        sys.exit('a job in the background reads from the terminal')
    t.type('fg\n')
    t.type('three\n')
    t.expect('got:three')
    t.type('\3')
    t.expect('ready: ')
    t.type('echo status=$?\n')
    t.expect('status=130')
    t.type('exit\n')
    t.end(0)


def shell(command):
    """A shell on the rump kernel, and its jobs."""
    t = Terminal(command + ['bash', '--norc', '--noprofile', '-i'])
    t.expect('ready: ')
    t.type(CAT + '\n')
    t.type('one\n')
    t.expect('got:one')
    stop_and_go_on(t)
    t.type('\3')
    t.expect('ready: ')
    t.type('echo status=$?\n')
    t.expect('status=130')
    t.type('sleep 1000 &\n')
    t.expect(r'\[\d\]')
    t.type('kill %1; wait %1; echo status=$?\n')
    t.expect('status=143')
    t.type('exit 9\n')
    t.end(9 << 8)


def show(command):
    """Prints what COMMAND does at a terminal, and its status."""
    t = Terminal(command)
    while t.read():
        pass
    sys.stdout.write(t.seen)
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(t.pid, 0)[1]))


globals()[sys.argv[1]](sys.argv[2:])
