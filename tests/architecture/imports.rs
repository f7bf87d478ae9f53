//! Which file of a crate uses which: `use` and paths, followed through re-exports to where a name is defined.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use syn::visit::{self, Visit};
use syn::{Attribute, Item, UseTree};

/// The names of modules from the root of a crate down.
type Module = Vec<String>;

/// A file by its path in `src`, without `.rs` (and without `/mod`).
pub(super) type Name = String;

/// The files of a crate.
#[derive(Default)]
pub(super) struct Crate {
    modules: BTreeMap<Module, File>,
}

#[derive(Default)]
struct File {
    /// What each imported name stands for, as it is written.
    imports: BTreeMap<String, Vec<String>>,
    /// Modules whose names are all imported, as they are written.
    globs: Vec<Vec<String>>,
    /// What is defined here.
    defined: BTreeSet<String>,
    /// Paths in the code.
    paths: Vec<Vec<String>>,
}

impl Crate {
    /// Reads every file below `src` but tests.
    pub(super) fn read(src: &Path) -> Self {
        let mut files = Vec::new();
        collect(src, src, &mut files);
        Self::parse(files.iter().map(|(name, text)| (name.as_str(), text.as_str())))
    }

    /// The same of files by their names.
    pub(super) fn parse<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let parse = |(name, text): (&str, &str)| {
            let parsed = syn::parse_file(text).unwrap_or_else(|error| panic!("{name}: {error}"));
            let mut file = File::default();
            file.visit_file(&parsed);
            (module_of(name), file)
        };
        Self { modules: files.into_iter().map(parse).collect() }
    }

    /// All files.
    pub(super) fn files(&self) -> BTreeSet<Name> {
        self.modules.keys().map(name_of).collect()
    }

    /// From each file to every other that it uses.
    pub(super) fn arrows(&self) -> BTreeSet<(Name, Name)> {
        let of = |(module, file): (&Module, &File)| {
            let globs = file.globs.iter().map(|glob| self.module(module, glob));
            let used = file.imports.values().chain(&file.paths);
            let used = used.map(|path| self.home(module, path, &mut Vec::new()));
            let others = globs.chain(used).flatten().filter(|to| to != module);
            others.map(|to| (name_of(module), name_of(&to))).collect::<Vec<_>>()
        };
        self.modules.iter().flat_map(of).collect()
    }

    /// The module that a path names, if it names one of this crate.
    fn module(&self, from: &Module, path: &[String]) -> Option<Module> {
        let (mut at, rest) = start(from, path)?;
        for name in rest {
            at.push(name.clone());
        }
        self.modules.contains_key(&at).then_some(at)
    }

    /// The module in which what a path names is defined. `seen` are the paths that led here.
    fn home(&self, from: &Module, path: &[String], seen: &mut Vec<Vec<String>>) -> Option<Module> {
        let (mut at, rest) = match start(from, path) {
            Some(start) => start,
            // `child::name`, or a name that is imported here, which its import tells of.
            None => {
                let mut child = from.clone();
                child.push(path.first()?.clone());
                (self.modules.contains_key(&child).then_some(child)?, &path[1..])
            }
        };
        for (place, name) in rest.iter().enumerate() {
            let mut child = at.clone();
            child.push(name.clone());
            if self.modules.contains_key(&child) {
                at = child;
                continue;
            }
            let file = self.modules.get(&at)?;
            if file.defined.contains(name) {
                return Some(at);
            }
            let here = [at.clone(), rest[place..].to_vec()].concat();
            if seen.contains(&here) {
                return None;
            }
            seen.push(here);
            let imported = file.imports.get(name).map(|path| path.to_vec());
            let behind_globs =
                file.globs.iter().map(|glob| [glob.clone(), vec![name.clone()]].concat());
            let mut found = imported.into_iter().chain(behind_globs);
            return found.find_map(|path| self.home(&at, &path, seen)).or(Some(at));
        }
        Some(at)
    }
}

/// The module at which a path begins, and the rest of it; nothing if it begins with a name.
fn start<'a>(from: &Module, path: &'a [String]) -> Option<(Module, &'a [String])> {
    let mut at = match path.first()?.as_str() {
        "crate" => Vec::new(),
        "self" => from.clone(),
        "super" => from[..from.len().checked_sub(1)?].to_vec(),
        _ => return None,
    };
    let mut rest = &path[1..];
    while rest.first().is_some_and(|name| name == "super") {
        at.pop()?;
        rest = &rest[1..];
    }
    Some((at, rest))
}

impl File {
    fn import(&mut self, before: &[String], tree: &UseTree) {
        let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        match tree {
            UseTree::Path(path) => self.import(&with(&path.ident), &path.tree),
            UseTree::Name(name) if name.ident == "self" => {
                self.imports.insert(before.last().cloned().unwrap_or_default(), before.to_vec());
            }
            UseTree::Name(name) => {
                self.imports.insert(name.ident.to_string(), with(&name.ident));
            }
            UseTree::Rename(rename) => {
                self.imports.insert(rename.rename.to_string(), with(&rename.ident));
            }
            UseTree::Glob(_) => self.globs.push(before.to_vec()),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.import(before, tree)),
        }
    }

    /// What an item of the file defines for others; names in functions are nobody else's.
    fn define(&mut self, item: &Item) {
        let name = match item {
            Item::Const(item) => &item.ident,
            Item::Enum(item) => &item.ident,
            Item::Fn(item) => &item.sig.ident,
            Item::Static(item) => &item.ident,
            Item::Struct(item) => &item.ident,
            Item::Trait(item) => &item.ident,
            Item::Type(item) => &item.ident,
            Item::Macro(item) => match &item.ident {
                Some(name) => name,
                None => return,
            },
            _ => return,
        };
        self.defined.insert(name.to_string());
    }
}

impl<'ast> Visit<'ast> for File {
    fn visit_file(&mut self, file: &'ast syn::File) {
        file.items.iter().for_each(|item| self.define(item));
        visit::visit_file(self, file);
    }

    fn visit_item(&mut self, item: &'ast Item) {
        let attributes = match item {
            Item::Mod(item) => &item.attrs,
            Item::Use(item) => &item.attrs,
            Item::Fn(item) => &item.attrs,
            Item::Impl(item) => &item.attrs,
            _ => return visit::visit_item(self, item),
        };
        // Tests may look up.
        if !attributes.iter().any(is_for_tests) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.import(&[], &item.tree);
    }

    /// `pub(super)` uses nothing.
    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.paths.push(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        visit::visit_path(self, path);
    }
}

fn is_for_tests(attribute: &Attribute) -> bool {
    attribute.path().is_ident("cfg")
        && attribute.parse_args::<syn::Meta>().is_ok_and(|condition| match condition {
            syn::Meta::Path(path) => path.is_ident("test"),
            syn::Meta::List(list) => {
                list.path.is_ident("all") && list.tokens.to_string().contains("test")
            }
            syn::Meta::NameValue(_) => false,
        })
}

/// `threat/norm/l2` is the module `threat::norm::l2`, and `lib` the root.
fn module_of(name: &str) -> Module {
    match name {
        "lib" => Vec::new(),
        name => name.split('/').map(String::from).collect(),
    }
}

fn name_of(module: &Module) -> Name {
    match module.is_empty() {
        true => "lib".into(),
        false => module.join("/"),
    }
}

fn collect(src: &Path, folder: &Path, files: &mut Vec<(Name, String)>) {
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            collect(src, &path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(src).unwrap().with_extension("");
            let name = name.to_str().unwrap().replace('\\', "/");
            let name = name.strip_suffix("/mod").unwrap_or(&name).to_string();
            if !name.split('/').any(|part| part == "tests") {
                files.push((name, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
}
