//! The filter: which system calls are reported, which are refused, which pass. A pure value.

use libc::{
    BPF_ABS, BPF_JEQ, BPF_JGE, BPF_JMP, BPF_JSET, BPF_K, BPF_LD, BPF_RET, BPF_W, SECCOMP_RET_ALLOW,
    SECCOMP_RET_ERRNO, SECCOMP_RET_USER_NOTIF, sock_filter,
};

/// Where `struct seccomp_data` has the number of the call, the instruction set, and the lower halves of the arguments;
/// both machines known here are little-endian.
const NUMBER: u32 = 0;
const INSTRUCTION_SET: u32 = 4;
const ARGUMENTS: u32 = 16;
/// Calls of x32 have this bit; no other call of x86-64 has a number as large.
const X32: u32 = 0x4000_0000;
const ENOSYS: u32 = SECCOMP_RET_ERRNO | libc::ENOSYS as u32;
const EOPNOTSUPP: u32 = SECCOMP_RET_ERRNO | libc::EOPNOTSUPP as u32;

/// An instruction set and its numbers of the calls that matter here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Machine {
    /// `AUDIT_ARCH_…` of linux/audit.h.
    instruction_set: u32,
    has_x32: bool,
    connect: u32,
    io_uring_setup: u32,
    /// Calls that can open a connection by themselves, and which argument holds their flags.
    sends: [(u32, u32); 3],
}

pub(crate) const X86_64: Machine = Machine {
    instruction_set: 0xc000_003e,
    has_x32: true,
    connect: 42,
    io_uring_setup: 425,
    sends: [(44, 3), (46, 2), (307, 3)],
};

pub(crate) const AARCH64: Machine = Machine {
    instruction_set: 0xc000_00b7,
    has_x32: false,
    connect: 203,
    io_uring_setup: 425,
    sends: [(206, 3), (211, 2), (269, 3)],
};

impl Machine {
    /// The one this was built for; `None`: the filter is not known there.
    pub(crate) fn here() -> Option<Machine> {
        match std::env::consts::ARCH {
            "x86_64" => Some(X86_64),
            "aarch64" => Some(AARCH64),
            _ => None,
        }
    }

    /// The filter as the kernel takes it.
    pub(crate) fn filter(&self) -> Vec<sock_filter> {
        // Calls of another instruction set have other numbers: without this, they would pass unseen.
        let mut program = vec![load(INSTRUCTION_SET)];
        program.extend(unless_equal(self.instruction_set, ENOSYS));
        program.push(load(NUMBER));
        if self.has_x32 {
            program.push(jump(BPF_JGE, X32, 0, 1));
            program.push(answer(ENOSYS));
        }
        program.extend(if_equal(self.connect, SECCOMP_RET_USER_NOTIF));
        program.extend(if_equal(self.io_uring_setup, ENOSYS));
        for (call, flags) in self.sends {
            program.extend([
                jump(BPF_JEQ, call, 0, 4),
                load(ARGUMENTS + 8 * flags),
                jump(BPF_JSET, libc::MSG_FASTOPEN as u32, 0, 1),
                answer(EOPNOTSUPP),
                answer(SECCOMP_RET_ALLOW),
            ]);
        }
        program.push(answer(SECCOMP_RET_ALLOW));
        program
    }
}

fn load(offset: u32) -> sock_filter {
    instruction(BPF_LD | BPF_W | BPF_ABS, offset, 0, 0)
}

fn answer(what: u32) -> sock_filter {
    instruction(BPF_RET | BPF_K, what, 0, 0)
}

fn jump(test: u32, value: u32, skip_if: u8, skip_else: u8) -> sock_filter {
    instruction(BPF_JMP | test | BPF_K, value, skip_if, skip_else)
}

fn if_equal(value: u32, what: u32) -> [sock_filter; 2] {
    [jump(BPF_JEQ, value, 0, 1), answer(what)]
}

fn unless_equal(value: u32, what: u32) -> [sock_filter; 2] {
    [jump(BPF_JEQ, value, 1, 0), answer(what)]
}

fn instruction(code: u32, k: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter { code: u16::try_from(code).expect("codes are 16 bits wide"), jt, jf, k }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTIFY: u32 = SECCOMP_RET_USER_NOTIF;
    const ALLOW: u32 = SECCOMP_RET_ALLOW;

    /// What the kernel would answer: the five instructions that the filter is made of.
    fn verdict(program: &[sock_filter], data: &[u32; 16]) -> u32 {
        let (mut at, mut held) = (0, 0);
        loop {
            let sock_filter { code, jt, jf, k } = program[at];
            let code = u32::from(code);
            let is_so = match code {
                _ if code == BPF_LD | BPF_W | BPF_ABS => {
                    held = data[k as usize / 4];
                    at += 1;
                    continue;
                }
                _ if code == BPF_RET | BPF_K => return k,
                _ if code == BPF_JMP | BPF_JEQ | BPF_K => held == k,
                _ if code == BPF_JMP | BPF_JGE | BPF_K => held >= k,
                _ if code == BPF_JMP | BPF_JSET | BPF_K => held & k != 0,
                other => panic!("instruction {other:#x} at {at}"),
            };
            at += 1 + usize::from(if is_so { jt } else { jf });
        }
    }

    fn call(machine: Machine, number: u32, arguments: [u32; 6]) -> u32 {
        let mut data = [0; 16];
        (data[0], data[1]) = (number, machine.instruction_set);
        for (place, argument) in arguments.into_iter().enumerate() {
            data[4 + 2 * place] = argument;
        }
        verdict(&machine.filter(), &data)
    }

    #[test]
    fn of_all_calls_only_those_that_open_connections_are_touched() {
        for machine in [X86_64, AARCH64] {
            for number in 0..1024 {
                let expected = match number {
                    _ if number == machine.connect => NOTIFY,
                    425 => ENOSYS,
                    _ => ALLOW,
                };
                assert_eq!(call(machine, number, [0; 6]), expected, "call {number}");
            }
        }
    }

    #[test]
    fn calls_of_another_instruction_set_are_as_if_there_were_none() {
        let (i386, arm) = (0x4000_0003, 0x4000_0028);
        for (machine, other) in
            [(X86_64, i386), (X86_64, AARCH64.instruction_set), (AARCH64, arm), (AARCH64, i386)]
        {
            for number in 0..1024 {
                let mut data = [0; 16];
                (data[0], data[1]) = (number, other);
                assert_eq!(verdict(&machine.filter(), &data), ENOSYS);
            }
        }
        for number in 0..1024 {
            assert_eq!(call(X86_64, X32 | number, [0; 6]), ENOSYS, "x32 call {number}");
        }
        assert_eq!(call(AARCH64, X32, [0; 6]), ALLOW, "there is no x32 there: no such call either");
    }

    #[test]
    fn a_send_is_refused_where_it_would_open_a_connection_and_only_there() {
        let fast_open = libc::MSG_FASTOPEN as u32;
        for machine in [X86_64, AARCH64] {
            for (number, flags) in machine.sends {
                for place in 0..6 {
                    for (value, is_refused) in [
                        (fast_open, true),
                        (fast_open | libc::MSG_NOSIGNAL as u32, true),
                        (!fast_open, false),
                        (0, false),
                    ] {
                        let mut arguments = [0; 6];
                        arguments[place] = value;
                        let is_flags = place == flags as usize;
                        let expected = if is_flags && is_refused { EOPNOTSUPP } else { ALLOW };
                        assert_eq!(call(machine, number, arguments), expected, "{number} {place}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_numbers_are_those_of_this_machine() {
        let here = Machine::here().expect("the tests run on a machine that is known");
        let number = |number: libc::c_long| u32::try_from(number).unwrap();
        assert_eq!(here.connect, number(libc::SYS_connect));
        assert_eq!(here.io_uring_setup, number(libc::SYS_io_uring_setup));
        let sends = [libc::SYS_sendto, libc::SYS_sendmsg, libc::SYS_sendmmsg].map(number);
        assert_eq!(here.sends.map(|(number, _)| number), sends);
        assert_eq!((BPF_LD | BPF_W | BPF_ABS, BPF_RET | BPF_K), (0x20, 0x06));
    }
}
