//! What is tried with addresses, with the kernel itself and with other
//! processes.

use harness_proto::{
    Probe, Transport,
    probe::{KernelProbe, SendWay},
};
use scenarios::rule::{Action, Protocol};

use super::{
    act::{Act, Done, Stop},
    meaning::Thing,
    network::Peer,
    tree::{ECONNREFUSED, EINVAL, ENOEXEC},
};
use crate::{case::LISTENING, deed::Deed};

impl Act<'_> {
    pub(super) fn without_files(&mut self, probe: &Probe) -> Done {
        match probe {
            Probe::Connect {
                transport, address, ..
            } => {
                self.ask_about(&[Deed::Connect], *transport, *address)?;
                let answers = LISTENING.contains(&address.port());
                if *transport == Transport::Tcp && !answers {
                    return Err(ECONNREFUSED.into());
                }
                Ok(())
            }
            Probe::Send { address, by } => match by {
                SendWay::FastOpen => {
                    // It connects, too.
                    let both = [Deed::Connect, Deed::Send];
                    self.ask_about(&both, Transport::Tcp, *address)
                }
                _ => self.ask_about(&[Deed::Send], Transport::Udp, *address),
            },
            Probe::Bind { transport, address } => {
                self.ask_about(&[Deed::Bind], *transport, *address)
            }
            Probe::Listen {
                address: Some(address),
            } => {
                let bound = self.ask_about(&[Deed::Bind], Transport::Tcp, *address);
                // Whoever cannot take the address has not come to listening.
                bound.map_err(|stop| match stop {
                    Stop::Rule(Action::Kill) => stop,
                    _ => Stop::Before,
                })?;
                self.ask_about(&[Deed::Listen], Transport::Tcp, *address)
            }
            Probe::Kernel(probe) => self.kernel(*probe),
            _ => Err(Stop::Before),
        }
    }

    fn ask_about(
        &mut self,
        deeds: &[Deed],
        transport: Transport,
        address: std::net::SocketAddr,
    ) -> Done {
        let protocol = match transport {
            Transport::Tcp => Protocol::Tcp,
            Transport::Udp => Protocol::Udp,
        };
        let peer = Peer { address, protocol };
        self.ask(deeds, Thing::Peer(&peer))
    }

    fn kernel(&mut self, probe: KernelProbe) -> Done {
        use KernelProbe as P;
        let deed = match probe {
            P::PtraceTraceme => return self.ask(&[Deed::Ptrace], Thing::Kernel),
            P::CloneUser | P::UnshareUser => {
                return self.ask(&[Deed::UserNamespace], Thing::Kernel);
            }
            P::PtraceAttach
            | P::PtraceSeize
            | P::ProcessVmRead
            | P::ProcessVmWrite
            | P::ProcessMemory
            | P::PidfdGetfd => Deed::Ptrace,
            P::InitModule | P::FinitModule => Deed::ModuleLoad,
            P::KexecLoad | P::KexecFileLoad => Deed::Kexec,
            P::BpfMap | P::BpfProgram => Deed::Bpf,
        };
        // Without the right to do it at all, the rules are not asked. To users
        // who became so a process of their own is not theirs to trace, either.
        self.must_be_root()?;
        self.ask(&[deed], Thing::Kernel)?;
        // What would change the machine is nonsense.
        match probe {
            P::InitModule | P::FinitModule | P::KexecFileLoad => Err(ENOEXEC.into()),
            P::KexecLoad => Err(EINVAL.into()),
            _ => Ok(()),
        }
    }
}
