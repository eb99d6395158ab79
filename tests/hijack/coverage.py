#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""
coverage.py TOP SITES OBJECT - is every way from libc to a system call covered?

SITES is what RUMPHIJACK_VERBOSE=3 has said of the shared object OBJECT.  Its machine
code is disassembled, and each exported function followed along direct jumps and calls
to the system calls that it can reach.  Printed is a line for each function that can
reach one which takes a descriptor or a name, and how it is covered.  Errors, each a
line on stderr: a patch at what is no instruction; an instruction that was not seen; a
function that reaches one which is not patched, and no reason is known.
"""
import bisect, re, subprocess, sys

# System calls that no pattern of site.c has, and why they need not have one.
REASONS = {
    15: "the return from a signal handler",
    60: "the end of a thread",
    202: "futex",
    14: "the signal mask",
    12: "brk",
    56: "clone(3) itself, which is interposed, and a child that shares memory until its exec",
}
# The same at one place: the exported function before it, in musl 1.2.3 or 1.2.5, and the call.
PLACES = {
    ("abort", 13): "for the signal that ends the program",
    ("_init", 7): "of a program that begins",
    ("wctype", 7): "of a program that begins",
    ("fexecve", 1): "of posix_spawn's child, to a pipe of its own",
    ("faccessat", 0): "of a pipe of its own",
}
# The profile of a program that was built for gprof, written at its exit.
PROFILE = {"_mcleanup", "monstartup", "__monstartup"}
# Registers that a call may change.
CALLERS = {"rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11"}


def table(top):
    """Names of calls by number, and which of them are of interest."""
    numbers = {}
    for line in open("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"):
        m = re.match(r"#define __NR_(\w+) (\d+)", line)
        if m:
            numbers[m[1]] = int(m[2])
    interest = set()
    for line in open(top + "/include/rump/syscalls.def"):
        m = re.match(r"S\((\w+),\s*\w+,\s*(\w+)", line)
        if m and m[2] != "host" and m[1] in numbers:
            interest.add(numbers[m[1]])
    return {v: k for k, v in numbers.items()}, interest


def disassemble(path):
    """Instructions: address -> (mnemonic, operands, next)."""
    out = subprocess.run(["objdump", "-d", "--no-show-raw-insn", path], capture_output=True,
                         text=True, check=True).stdout
    ins, order = {}, []
    for line in out.splitlines():
        if line[:1] != " ":
            continue
        addr, _, rest = line.partition(":\t")
        if not rest:
            continue
        parts = rest.split(None, 1)
        a = int(addr, 16)
        ins[a] = (parts[0], parts[1].split("#")[0].strip() if len(parts) > 1 else "")
        order.append(a)
    return ins, order


def exports(path):
    out = subprocess.run(["objdump", "-T", path], capture_output=True, text=True, check=True).stdout
    funcs = {}
    for line in out.splitlines():
        m = re.match(r"([0-9a-f]{16}) .{7} \.text\s+[0-9a-f]+\s+(?:\S+\s+)?(\S+)$", line)
        if m and "GLIBC_PRIVATE" not in line:
            funcs.setdefault(m[2], int(m[1], 16))
    return funcs


def whole(reg):
    """The 64 bits of a register that is named by some of them."""
    if reg in ("al", "ax"):
        return "rax"
    if re.match(r"r\d+d$", reg):
        return reg[:-1]
    return "r" + reg[1:] if re.match(r"e[a-ds][xpi]$", reg) else reg


def number(ins, order, addr):
    """The call's number, by what was put into rax last before addr; None: not known."""
    i = bisect.bisect_left(order, addr)
    want = "rax"
    for k in range(i - 1, max(i - 200, -1), -1):
        op, args = ins[order[k]]
        if want == "rax" and op in ("jmp", "ret") or op == "call" and want in CALLERS:
            return None
        if op in ("cmp", "test", "syscall") or whole(args.rsplit(",", 1)[-1].lstrip("%")) != want:
            continue
        m = re.match(r"\$0x([0-9a-f]+),%", args)
        if op.startswith("mov") and m:
            return int(m[1], 16)
        m = re.match(r"%(\w+),%(\w+)$", args)
        if op == "xor" and m and m[1] == m[2]:
            return 0
        if op == "mov" and m:
            want = whole(m[1])
            continue
        return None
    return None


def main(top, sites_file, path):
    names, interest = table(top)
    ins, order = disassemble(path)
    funcs = exports(path)
    sites, bad = {}, 0
    for line in open(sites_file):
        m = re.match(r"librumphijack: (\S+)\+0x([0-9a-f]+): (?:any call|call \d+): (.*)$", line)
        if m and m[1] == path:
            sites[int(m[2], 16)] = m[3]

    def error(text):
        nonlocal bad
        bad += 1
        print(text, file=sys.stderr)

    calls = {a for a in order if ins[a][0] == "syscall"}
    for a, what in sites.items():
        if a not in calls and what == "patched":
            error("%#x: patched, but no system call instruction" % a)
    for a in calls - set(sites):
        error("%#x: a system call instruction that was not seen" % a)
    nr = {a: number(ins, order, a) for a in calls}
    starts = sorted((a, f) for f, a in funcs.items())

    def inside(a):
        """Functions whose beginning is the last before a."""
        i = bisect.bisect_right(starts, (a, "~")) - 1
        return {f for b, f in starts if b == starts[i][0]}

    following = dict(zip(order, order[1:]))
    memo = {}

    def step(a):
        """Where one goes from the basic block at a, and what it calls."""
        if a in memo:
            return memo[a]
        start, succ, found = a, [], []
        while a in ins:
            op, args = ins[a]
            if op == "syscall":
                found.append(a)
            m = re.match(r"([0-9a-f]+) <", args)
            target = int(m[1], 16) if m else None
            if op.startswith("call") and target:
                succ.append(target)
            elif op in ("jmp", "notrack") or op.startswith("ret") or op == "hlt":
                if target and op == "jmp":
                    succ.append(target)
                break
            elif op[0] == "j" and target:
                succ += [target, following.get(a, 0)]
                break
            a = following.get(a, 0)
        memo[start] = (succ, found)
        return memo[start]

    lines = []
    for name, addr in sorted(funcs.items()):
        seen, todo, reached = {addr}, [addr], set()
        while todo:
            succ, found = step(todo.pop())
            reached.update(found)
            for s in succ:
                if s and s not in seen:
                    seen.add(s)
                    todo.append(s)
        how, relevant = set(), set()
        for a in reached:
            if sites.get(a) == "of no interest":
                continue
            n = nr.get(a)
            if sites.get(a) == "patched":
                if n is None or n in interest:
                    relevant.add(names.get(n, "any"))
                    how.add("patched")
                continue
            if n in REASONS or (n is not None and n not in interest):
                continue
            if any((f, n) in PLACES for f in inside(a)):
                continue
            if n is None and is_setxid(ins, order, a) or name in PROFILE:
                continue
            relevant.add(names.get(n, "any"))
            how.add("UNCOVERED at %#x" % a)
            error("%s reaches a system call (%s) at %#x that is not seen" % (name, names.get(n, "any"), a))
        if relevant:
            lines.append("%-28s %-10s %s" % (name, ", ".join(sorted(how)), " ".join(sorted(relevant))))
    print("\n".join(lines))
    print("%d functions, %d system call instructions, %d patched" %
          (len(lines), len(calls), sum(1 for v in sites.values() if v == "patched")), file=sys.stderr)
    return 1 if bad else 0


def is_setxid(ins, order, addr):
    """mov 0x10(R),%rsi ... mov (R),%eax; syscall: a set*id() for all threads."""
    i = bisect.bisect_left(order, addr)
    return bool(re.match(r"\(%r\w+\),%eax$", ins[order[i - 1]][1]))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:4]))
