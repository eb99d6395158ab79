# SPDX-License-Identifier: BSD-2-Clause
"""
rump.py - gdb's commands for a rump kernel: its tasks, and where they are.

    gdb -p PID -x tools/gdb/rump.py          a rump_server, or a program with the kernel in it
    (gdb) rump-ps                            all tasks of the rump kernel
    (gdb) rump-bt [ID]...                    with the stacks of these, or of all

A task that runs has its stack in a thread of the host, where gdb's own bt shows it.  Of the
others, what looks like a return address is taken for one: words on the stack that lead
behind a call instruction of librump.so.  Some of them are left of earlier calls.
"""
import gdb

OFFSETS = ['tasks', 'thread_node', 'signal', 'thread_head', 'pid', 'tgid', 'comm', 'state', 'on_cpu', 'stack',
           'sp', 'stack_size']
STATES = {0: 'R', 1: 'S', 2: 'D', 4: 'T', 8: 't', 0x80: 'X', 0x402: 'I'}
CALLS = {5: (0xe8,), 2: (0xff,), 3: (0xff, 0x41), 6: (0xff,), 7: (0xff, 0x41)}


def address(symbol):
    try:
        return int(gdb.parse_and_eval(f"(unsigned long)&'{symbol}'"))
    except gdb.error as e:
        raise gdb.GdbError(f'there is no rump kernel here: {e}') from e


def memory(at, size):
    return gdb.selected_inferior().read_memory(at, size).tobytes()


def number(at, size):
    return int.from_bytes(memory(at, size), 'little')


class Kernel:
    def __init__(self):
        table = address('rump_debug_offsets')
        self.offset = {name: number(table + 4 * i, 4) for i, name in enumerate(OFFSETS)}
        self.text = address('_stext'), address('_etext')

    def entries(self, head, field):
        """The tasks of a list that begins at head, by the field that links them."""
        at = number(head, 8)
        while at != head:
            yield at - self.offset[field]
            at = number(at, 8)

    def tasks(self):
        init = address('init_task')
        yield init
        for leader in self.entries(init + self.offset['tasks'], 'tasks'):
            signal = number(leader + self.offset['signal'], 8)
            yield from self.entries(signal + self.offset['thread_head'], 'thread_node')

    def field(self, task, name, size=4):
        return number(task + self.offset[name], size)

    def line(self, task):
        state = self.field(task, 'state')
        where = 'runs' if self.field(task, 'on_cpu') else STATES.get(state, f'{state:#x}')
        comm = memory(task + self.offset['comm'], 16).split(b'\0')[0].decode('utf-8', 'replace')
        return f"{self.field(task, 'pid'):7} {self.field(task, 'tgid'):7}  {where:5} {comm}"

    def is_behind_call(self, a):
        code = memory(a - 7, 7)
        return any(code[7 - n] == starts[0] or (len(starts) == 2 and code[7 - n] == starts[1] and
                                               code[8 - n] == starts[0]) for n, starts in CALLS.items())

    def stack(self, task):
        """Return addresses, from the innermost on."""
        base = self.field(task, 'stack', 8)
        sp = self.field(task, 'sp', 8)
        if not base <= sp < base + self.offset['stack_size']:
            return
        words = memory(sp, base + self.offset['stack_size'] - sp)
        for i in range(0, len(words) - 7, 8):
            a = int.from_bytes(words[i:i + 8], 'little')
            if self.text[0] <= a < self.text[1] and self.is_behind_call(a):
                yield a


class Ps(gdb.Command):
    """Lists the tasks of the rump kernel: id, process, state, name."""

    def __init__(self):
        super().__init__('rump-ps', gdb.COMMAND_STATUS)

    def invoke(self, argument, from_tty):
        kernel = Kernel()
        print(f"{'ID':>7} {'PROCESS':>7}  {'STATE':5} NAME")
        for task in kernel.tasks():
            print(kernel.line(task))


class Backtrace(gdb.Command):
    """Shows the stacks of tasks of the rump kernel: rump-bt [ID]..., of all without one."""

    def __init__(self):
        super().__init__('rump-bt', gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        kernel = Kernel()
        wanted = [int(a) for a in gdb.string_to_argv(argument)]
        for task in kernel.tasks():
            if wanted and kernel.field(task, 'pid') not in wanted:
                continue
            print(kernel.line(task))
            if kernel.field(task, 'on_cpu'):
                continue
            for a in kernel.stack(task):
                name = gdb.execute(f'info symbol {a - 1:#x}', to_string=True).split(' in section')[0]
                print(f'            {a:#x} {name}')


Ps()
Backtrace()
