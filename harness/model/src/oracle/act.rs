//! What each probe does to the tree, what it is asked about on the way, and
//! what must come of it. The order of the checks is the kernel's.

use harness_proto::{
    Access, Probe,
    probe::{Attribute, MountProbe, NodeKind},
};

use super::{
    Oracle,
    meaning::{Attempt, Spoken, Thing},
    tree::{
        Content, EACCES, EBUSY, EEXIST, EINVAL, EISDIR, ENODATA, ENODEV, ENOENT, ENOEXEC, ENOTDIR,
        ENOTEMPTY, EPERM, EXDEV, End, Kind, Name, NodeId, READ, SEARCH, Spot, WRITE,
    },
    who::Who,
};
use crate::{case::Came, deed::Deed};
use scenarios::rule::Action;

const SIGKILL: i32 = 9;
const SIGSEGV: i32 = 11;
/// Owner and group that a probe gives away to.
const GIVEN_TO: u32 = 12_345;
/// Only owners take names away.
pub(super) const STICKY: u32 = 0o1000;
/// Permission bits that a probe changes to, and makes nodes with.
const CHANGED: u32 = 0o640;

/// Why something was not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    Errno(i32),
    /// By a rule.
    Rule(Action),
    /// By a signal of the kernel's own.
    Signal(i32),
    /// What comes before what is asked about did not work.
    Before,
}

impl From<i32> for Stop {
    fn from(errno: i32) -> Self {
        Self::Errno(errno)
    }
}

impl Stop {
    pub(super) const fn came(self) -> Came {
        match self {
            Self::Errno(errno) => Came::Denied(errno),
            Self::Rule(Action::Kill) => Came::Killed(SIGKILL),
            Self::Signal(signal) => Came::Killed(signal),
            Self::Rule(_) => Came::Denied(EPERM),
            Self::Before => Came::NoVerdict,
        }
    }
}

pub(super) type Done = Result<(), Stop>;

/// One probe of one doer.
pub(super) struct Act<'a> {
    pub(super) oracle: &'a mut Oracle,
    pub(super) who: &'a Who,
    /// What the rules have said so far: all that spoke.
    pub(super) spoken: Vec<Spoken>,
}

impl Act<'_> {
    pub(super) fn perform(&mut self, probe: &Probe) -> Done {
        match probe {
            Probe::Open { path, access, .. } => self.open(path, *access),
            Probe::Create { path, .. } => self.create(path),
            Probe::Mkdir { path } => self.make(path, Kind::EMPTY_FOLDER, 0o755),
            Probe::Mknod { path, kind } => match kind {
                NodeKind::File => self.make(path, Kind::File(Content::Empty), CHANGED),
                NodeKind::Pipe | NodeKind::NullDevice => Err(Stop::Before),
            },
            Probe::Symlink { target, path } => {
                self.make(path, Kind::Symlink(target.clone()), 0o777)
            }
            Probe::Unlink { path } => self.unlink(path),
            Probe::Rmdir { path } => self.rmdir(path),
            Probe::Rename { from, to, exchange } => self.rename(from, to, *exchange),
            Probe::Link { from, to } => self.link(from, to),
            Probe::Truncate { path } => self.truncate(path),
            Probe::Change { path, attribute } => self.change(path, *attribute),
            Probe::Exec { path, .. } => self.exec(path),
            Probe::MapExec { path, .. } => self.map(path),
            Probe::Mount(probe) => self.mount(probe),
            other => self.without_files(other),
        }
    }

    /// Ask the rules.
    pub(super) fn ask(&mut self, deeds: &[Deed], thing: Thing<'_>) -> Done {
        let attempt = Attempt { deeds, thing };
        // Rules about content are asked first. Where they deny, the others are
        // not asked, even if they would kill.
        for about_content in [true, false] {
            let oracle = &self.oracle;
            let asked = (&attempt, about_content);
            let Some(spoken) = oracle.meaning.asked(&oracle.tree, self.who, asked) else {
                continue;
            };
            self.spoken.push(spoken);
            if spoken.action != Action::Audit {
                return Err(Stop::Rule(spoken.action));
            }
        }
        Ok(())
    }

    fn ask_of(&mut self, deeds: &[Deed], spot: &Spot) -> Done {
        let thing = Thing::File {
            node: Some(spot.node),
            name: spot.name.as_ref(),
        };
        self.ask(deeds, thing)
    }

    fn ask_to_make(&mut self, deeds: &[Deed], name: &Name) -> Done {
        let thing = Thing::File {
            node: None,
            name: Some(name),
        };
        self.ask(deeds, thing)
    }

    fn walk(&self, path: &str, follow: bool) -> Result<End, Stop> {
        Ok(self.oracle.tree.walk(self.who.walker, path, follow)?)
    }

    /// What a path leads to, over links and mounts.
    fn found(&self, path: &str) -> Result<Spot, Stop> {
        Ok(self.walk(path, true)?.seen.ok_or(ENOENT)?)
    }

    fn must_let(&self, node: NodeId, wanted: u32) -> Done {
        if self.oracle.tree.lets(self.who.walker, node, wanted) {
            Ok(())
        } else {
            Err(EACCES.into())
        }
    }

    /// Whether who tries may change what only the owner may.
    fn must_own(&self, node: NodeId) -> Done {
        let user = self.who.walker.user;
        if user == 0 || user == self.oracle.tree.nodes[node].user {
            Ok(())
        } else {
            Err(EPERM.into())
        }
    }

    pub(super) fn must_be_root(&self) -> Done {
        if self.who.walker.user == 0 {
            Ok(())
        } else {
            Err(EPERM.into())
        }
    }

    fn open(&mut self, path: &str, access: Access) -> Done {
        let (deeds, wanted): (&[Deed], u32) = match access {
            Access::Read => (&[Deed::Read], READ),
            Access::ReadWrite => (&[Deed::Read, Deed::Write], READ | WRITE),
            Access::Write | Access::Append | Access::Truncate | Access::Create => {
                (&[Deed::Write], WRITE)
            }
        };
        let end = self.walk(path, true)?;
        let Some(spot) = end.seen else {
            if access != Access::Create {
                return Err(ENOENT.into());
            }
            return self.create_at(&end);
        };
        if self.oracle.tree.is_folder(spot.node) {
            if wanted & WRITE != 0 {
                return Err(EISDIR.into());
            }
            self.must_let(spot.node, wanted)?;
            self.ask_of(deeds, &spot)?;
            // It is open; reading a byte of it is what fails.
            return Err(EISDIR.into());
        }
        self.must_let(spot.node, wanted)?;
        self.ask_of(deeds, &spot)?;
        if access == Access::Truncate {
            self.ask_of(&[Deed::Truncate], &spot)?;
            self.set_content(spot.node, |_| Content::Empty);
        }
        Ok(())
    }

    fn create(&mut self, path: &str) -> Done {
        let end = self.walk(path, false)?;
        if end.named.is_some() {
            return Err(EEXIST.into());
        }
        self.create_at(&end)
    }

    /// Make a file and open it for writing.
    fn create_at(&mut self, end: &End) -> Done {
        self.must_let(end.folder.node, WRITE | SEARCH)?;
        let name = name_of(end);
        self.ask_to_make(&[Deed::Create], &name)?;
        let node = self.new_node(Kind::File(Content::Empty), 0o644);
        self.oracle.tree.put(&name, node);
        // That it may not be opened then does not take it away again.
        let spot = Spot {
            mount: end.folder.mount,
            node,
            name: Some(name),
        };
        self.ask_of(&[Deed::Write], &spot)
    }

    fn new_node(&mut self, kind: Kind, mode: u32) -> NodeId {
        self.oracle.tree.node(kind, self.who.walker, mode)
    }

    fn make(&mut self, path: &str, kind: Kind, mode: u32) -> Done {
        let end = self.walk(path, false)?;
        if end.named.is_some() {
            return Err(EEXIST.into());
        }
        self.must_let(end.folder.node, WRITE | SEARCH)?;
        let name = name_of(&end);
        self.ask_to_make(&[Deed::Create], &name)?;
        let node = self.new_node(kind, mode);
        self.oracle.tree.put(&name, node);
        Ok(())
    }

    /// What has a name, if it may be taken away from it.
    fn to_delete(&self, end: &End, folder: bool) -> Result<Spot, Stop> {
        let spot = end.named.clone().ok_or(ENOENT)?;
        self.may_delete(end.folder.node, spot.node, folder)?;
        Ok(spot)
    }

    fn may_delete(&self, folder: NodeId, node: NodeId, as_folder: bool) -> Done {
        self.must_let(folder, WRITE | SEARCH)?;
        let tree = &self.oracle.tree;
        let (sticky, owner) = (
            tree.nodes[folder].mode & STICKY != 0,
            tree.nodes[folder].user,
        );
        if sticky && self.who.walker.user != owner {
            self.must_own(node)?;
        }
        match (as_folder, self.oracle.tree.is_folder(node)) {
            (true, false) => Err(ENOTDIR.into()),
            (false, true) => Err(EISDIR.into()),
            _ => Ok(()),
        }
    }

    fn unlink(&mut self, path: &str) -> Done {
        let end = self.walk(path, false)?;
        let spot = self.to_delete(&end, false)?;
        let name = name_of(&end);
        if self.oracle.tree.is_covered(&name) {
            return Err(EBUSY.into());
        }
        self.ask_of(&[Deed::Delete], &spot)?;
        self.oracle.tree.remove(&name);
        Ok(())
    }

    fn rmdir(&mut self, path: &str) -> Done {
        let end = self.walk(path, false)?;
        let spot = self.to_delete(&end, true)?;
        let name = name_of(&end);
        if self.oracle.tree.is_covered(&name) {
            return Err(EBUSY.into());
        }
        self.ask_of(&[Deed::Delete], &spot)?;
        if !self.oracle.tree.is_empty_folder(spot.node) {
            return Err(ENOTEMPTY.into());
        }
        self.oracle.tree.remove(&name);
        self.oracle.tree.nodes[spot.node].gone = true;
        Ok(())
    }

    fn rename(&mut self, from: &str, to: &str, exchange: bool) -> Done {
        let (old, new) = (self.walk(from, false)?, self.walk(to, false)?);
        if old.folder.mount != new.folder.mount {
            return Err(EXDEV.into());
        }
        let source = old.named.clone().ok_or(ENOENT)?;
        let target = new.named.clone();
        if exchange && target.is_none() {
            return Err(ENOENT.into());
        }
        let (old_name, new_name) = (name_of(&old), name_of(&new));
        let tree = &self.oracle.tree;
        let within = |name: &Name, node| tree.around(Some(name)).contains(&node);
        if within(&new_name, source.node) {
            return Err(EINVAL.into());
        }
        if let Some(target) = &target
            && within(&old_name, target.node)
        {
            return Err(if exchange { EINVAL } else { ENOTEMPTY }.into());
        }
        if target
            .as_ref()
            .is_some_and(|target| target.node == source.node)
        {
            return Ok(());
        }
        let is_folder = tree.is_folder(source.node);
        self.may_delete(old.folder.node, source.node, is_folder)?;
        match &target {
            None => self.must_let(new.folder.node, WRITE | SEARCH)?,
            Some(target) => {
                let as_folder = if exchange {
                    self.oracle.tree.is_folder(target.node)
                } else {
                    is_folder
                };
                self.may_delete(new.folder.node, target.node, as_folder)?;
            }
        }
        if old.folder.node != new.folder.node {
            // A folder's own entry of its parent changes.
            let mut moved = vec![source.node];
            moved.extend(target.iter().filter(|_| exchange).map(|target| target.node));
            for node in moved {
                if self.oracle.tree.is_folder(node) {
                    self.must_let(node, WRITE)?;
                }
            }
        }
        if let Some(target) = target.as_ref().filter(|_| exchange) {
            self.ask_to_rename(target, Some(&source), &old_name)?;
        }
        self.ask_to_rename(&source, target.as_ref(), &new_name)?;
        if [&old_name, &new_name]
            .iter()
            .any(|name| self.oracle.tree.is_covered(name))
        {
            return Err(EBUSY.into());
        }
        let tree = &mut self.oracle.tree;
        match &target {
            Some(target) if exchange => {
                tree.put(&old_name, target.node);
                tree.renamed(target.node, &new_name, &old_name);
            }
            Some(target) if tree.is_folder(target.node) => {
                if !tree.is_empty_folder(target.node) {
                    return Err(ENOTEMPTY.into());
                }
                tree.nodes[target.node].gone = true;
                tree.remove(&old_name);
            }
            _ => tree.remove(&old_name),
        }
        tree.put(&new_name, source.node);
        tree.renamed(source.node, &old_name, &new_name);
        Ok(())
    }

    /// One name goes away, another comes into being, and what had it goes.
    fn ask_to_rename(&mut self, source: &Spot, target: Option<&Spot>, new: &Name) -> Done {
        self.ask_of(&[Deed::Rename, Deed::Delete], source)?;
        match target {
            Some(target) => self.ask_of(&[Deed::Rename, Deed::Create, Deed::Delete], target),
            None => self.ask_to_make(&[Deed::Rename, Deed::Create], new),
        }
    }

    fn link(&mut self, from: &str, to: &str) -> Done {
        let old = self.walk(from, false)?.seen.ok_or(ENOENT)?;
        let new = self.walk(to, false)?;
        if new.named.is_some() {
            return Err(EEXIST.into());
        }
        if old.mount != new.folder.mount {
            return Err(EXDEV.into());
        }
        self.may_link(old.node)?;
        self.must_let(new.folder.node, WRITE | SEARCH)?;
        if self.oracle.tree.is_folder(old.node) {
            return Err(EPERM.into());
        }
        self.ask_of(&[Deed::Link], &old)?;
        let name = name_of(&new);
        self.ask_to_make(&[Deed::Create], &name)?;
        self.oracle.tree.put(&name, old.node);
        Ok(())
    }

    /// What sysctl `fs.protected_hardlinks` asks: of what is not theirs people
    /// may only link files that they can read and write.
    fn may_link(&self, node: NodeId) -> Done {
        let owned = self.must_own(node).is_ok();
        let tree = &self.oracle.tree;
        if owned || tree.is_file(node) && tree.lets(self.who.walker, node, READ | WRITE) {
            Ok(())
        } else {
            Err(EPERM.into())
        }
    }

    fn truncate(&mut self, path: &str) -> Done {
        let spot = self.found(path)?;
        if self.oracle.tree.is_folder(spot.node) {
            return Err(EISDIR.into());
        }
        self.must_let(spot.node, WRITE)?;
        self.ask_of(&[Deed::Truncate], &spot)?;
        self.set_content(spot.node, Content::cut);
        Ok(())
    }

    fn set_content(&mut self, node: NodeId, to: impl FnOnce(Content) -> Content) {
        if let Kind::File(content) = &mut self.oracle.tree.nodes[node].kind {
            *content = to(*content);
        }
    }

    fn change(&mut self, path: &str, attribute: Attribute) -> Done {
        let spot = self.found(path)?;
        let node = spot.node;
        match attribute {
            Attribute::Mode | Attribute::Owner | Attribute::Times => {}
            Attribute::Xattr | Attribute::AbsentXattr => {
                // Names that only root may touch, asked before the rules.
                if self.who.walker.user != 0 {
                    return Err(EPERM.into());
                }
            }
            Attribute::ModeOfDescriptor => return Err(Stop::Before),
        }
        self.ask_of(&[Deed::Attributes], &spot)?;
        let user = self.who.walker.user;
        match attribute {
            Attribute::Mode => {
                self.must_own(node)?;
                self.oracle.tree.nodes[node].mode = CHANGED;
            }
            Attribute::Owner if user != 0 => return Err(EPERM.into()),
            Attribute::Owner => {
                let node = &mut self.oracle.tree.nodes[node];
                (node.user, node.group) = (GIVEN_TO, GIVEN_TO);
            }
            Attribute::Times => self.must_own(node)?,
            Attribute::AbsentXattr => return Err(ENODATA.into()),
            Attribute::Xattr | Attribute::ModeOfDescriptor => {}
        }
        Ok(())
    }

    fn exec(&mut self, path: &str) -> Done {
        let spot = self.found(path)?;
        let Kind::File(content) = self.oracle.tree.nodes[spot.node].kind else {
            return Err(EACCES.into());
        };
        self.must_let(spot.node, SEARCH)?;
        self.ask_of(&[Deed::Exec], &spot)?;
        let Content::Program(_) = content else {
            return Err(ENOEXEC.into());
        };
        // Its code is mapped when there is no way back: by then the process is
        // of that program.
        let who = self.who.running(spot.node);
        let mut after = Act {
            oracle: self.oracle,
            who: &who,
            spoken: std::mem::take(&mut self.spoken),
        };
        let mapped = after.ask_of(&[Deed::MmapExec], &spot);
        self.spoken = after.spoken;
        mapped.map_err(|stop| match stop {
            Stop::Rule(Action::Kill) => stop,
            _ => Stop::Signal(SIGSEGV),
        })
    }

    fn map(&mut self, path: &str) -> Done {
        // Opening it is not what is asked about.
        self.open(path, Access::Read).or_else(|stop| match stop {
            Stop::Errno(EISDIR) => Ok(()),
            Stop::Rule(Action::Kill) => Err(stop),
            _ => Err(Stop::Before),
        })?;
        let spot = self.found(path)?;
        self.ask_of(&[Deed::MmapExec], &spot)?;
        if self.oracle.tree.is_folder(spot.node) {
            return Err(ENODEV.into());
        }
        Ok(())
    }

    fn mount(&mut self, probe: &MountProbe) -> Done {
        match probe {
            MountProbe::Tmpfs { at } => {
                let at = self.found(at)?;
                self.ask_to_mount(&at)?;
                self.must_be_root()?;
                if !self.oracle.tree.is_folder(at.node) {
                    return Err(ENOTDIR.into());
                }
                self.oracle.mount_tmpfs(&at, 0o777 | STICKY);
                Ok(())
            }
            MountProbe::Bind { from, to } => {
                let to = self.found(to)?;
                self.ask_to_mount(&to)?;
                self.must_be_root()?;
                let from = self.found(from)?;
                if self.oracle.tree.is_folder(from.node) != self.oracle.tree.is_folder(to.node) {
                    return Err(ENOTDIR.into());
                }
                self.oracle.tree.mount(&to, from.node, from.name);
                Ok(())
            }
            MountProbe::Umount { at } => {
                let at = self.found(at)?;
                self.must_be_root()?;
                if !self.oracle.tree.is_mount_root(&at) {
                    return Err(EINVAL.into());
                }
                self.ask(&[Deed::Mount], Thing::Kernel)?;
                self.oracle.tree.unmount(at.mount);
                Ok(())
            }
            _ => Err(Stop::Before),
        }
    }

    fn ask_to_mount(&mut self, at: &Spot) -> Done {
        self.ask(&[Deed::Mount], Thing::Kernel)?;
        self.ask_of(&[Deed::Mount], at)
    }
}

fn name_of(end: &End) -> Name {
    Name {
        folder: end.folder.node,
        label: end.label.clone(),
    }
}
