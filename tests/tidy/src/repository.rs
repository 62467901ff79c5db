//! The tree under test: the files git knows, and the workspace as `cargo metadata` describes it.
//!
//! Files that are new and not ignored count too, so that a law speaks before the commit, not after it.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use crate::layers::Kind;
use crate::rust_file::RustFile;

/// The repository this crate was built in.
pub struct Repository {
    /// Its root folder.
    pub root: PathBuf,
    /// Every text file git tracks or would track, relative path and content.
    pub files: Vec<TextFile>,
    /// The workspace's own crates.
    pub packages: Vec<Package>,
    /// Every crate in the dependency tree, ours included.
    pub all: Vec<Licensed>,
}

/// A text file and its content.
pub struct TextFile {
    /// Relative to the repository's root.
    pub path: String,
    /// The content.
    pub text: String,
}

/// A crate of the workspace.
pub struct Package {
    /// Its name in Cargo.toml.
    pub name: String,
    /// Its folder, relative to the repository's root.
    pub dir: String,
    /// The text of its Cargo.toml.
    pub manifest: String,
    /// Whether it builds a program.
    pub has_binary: bool,
    /// What it depends on directly.
    pub dependencies: Vec<Dependency>,
}

/// A direct dependency.
#[derive(Clone, Deserialize)]
pub struct Dependency {
    /// The crate's name.
    pub name: String,
    /// The name it is used under, if another.
    pub rename: Option<String>,
    /// `None` for a normal one, else `dev` or `build`.
    pub kind: Option<String>,
    /// The name of its library, which need not be the crate's: `md-5` is `md5` in code.
    #[serde(skip)]
    pub library: Option<String>,
}

/// Any crate in the tree with its licence.
#[derive(Deserialize)]
pub struct Licensed {
    /// The crate's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The SPDX expression, if it states one.
    pub license: Option<String>,
}

impl Repository {
    /// Reads the repository.
    ///
    /// # Errors
    /// What git, cargo or the file system said.
    pub fn read() -> Result<Self, String> {
        // As cargo says when it runs us: a build folder may have been copied from another tree.
        let here =
            std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        let root = PathBuf::from(here).join("../..");
        let root = root.canonicalize().map_err(|e| format!("{}: {e}", root.display()))?;
        let listing = run(&root, "git", &["ls-files", "-z", "--cached", "--others", "--exclude-standard"])?;
        let mut paths: Vec<&str> = listing.split('\0').filter(|path| !path.is_empty()).collect();
        paths.sort_unstable();
        paths.dedup();
        let files = paths.into_iter().filter_map(|path| TextFile::read(&root, path)).collect();
        let metadata = cargo(&root, &["metadata", "--format-version", "1", "--locked"])?;
        let metadata: Metadata =
            serde_json::from_str(&metadata).map_err(|e| format!("cargo metadata: {e}"))?;
        let packages = metadata.packages(&root)?;
        let all = metadata.packages.into_iter().map(|package| package.licensed).collect();
        Ok(Self { root, files, packages, all })
    }

    /// The file at a path, if git knows it.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.files.iter().find(|file| file.path == path).map(|file| file.text.as_str())
    }

    /// Every Rust file of a workspace crate, parsed.
    ///
    /// # Errors
    /// The first file that does not parse.
    pub fn rust_files(&self) -> Result<Vec<(RustFile, &Package)>, String> {
        let mut out = Vec::new();
        for file in self.files.iter().filter(|file| file.path.ends_with(".rs")) {
            let owner = self.packages.iter().find(|p| file.path.starts_with(&format!("{}/", p.dir)));
            if let Some(package) = owner {
                out.push((RustFile::parse(&file.path, &package.name, &package.dir, &file.text)?, package));
            }
        }
        Ok(out)
    }

    /// The names of the crates that the given ones link, without their tests.
    ///
    /// # Errors
    /// What cargo said.
    pub fn linked(&self, packages: &[&str]) -> Result<Vec<String>, String> {
        let mut arguments =
            vec!["tree", "--locked", "--edges", "normal", "--prefix", "none", "--format", "{p}"];
        for package in packages {
            arguments.extend(["--package", package]);
        }
        let tree = cargo(&self.root, &arguments)?;
        let mut names: Vec<String> =
            tree.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect();
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }
}

impl TextFile {
    fn read(root: &Path, path: &str) -> Option<Self> {
        // A binary file or one deleted since the last commit has no text to judge.
        let text = std::fs::read_to_string(root.join(path)).ok()?;
        Some(Self { path: path.to_owned(), text })
    }
}

impl Package {
    /// What the crate is by its name and place.
    pub fn kind(&self) -> Kind {
        Kind::of(&self.name, &self.dir)
    }

    /// Its Cargo.toml, relative to the repository's root.
    pub fn manifest_path(&self) -> String {
        format!("{}/Cargo.toml", self.dir)
    }

    /// The line of Cargo.toml that names a dependency, or 1.
    pub fn line_of(&self, dependency: &str) -> usize {
        let at = self.manifest.lines().position(|line| {
            line.strip_prefix(dependency).is_some_and(|rest| rest.starts_with(['.', ' ', '=']))
        });
        at.map_or(1, |index| index + 1)
    }

    #[cfg(test)]
    pub(crate) fn example(name: &str, dir: &str, dependencies: &[&str]) -> Self {
        let lines: Vec<String> = dependencies.iter().map(|name| format!("{name}.workspace = true")).collect();
        let normal =
            |name: &&str| Dependency { name: (*name).to_owned(), rename: None, kind: None, library: None };
        Self {
            name: name.to_owned(),
            dir: dir.to_owned(),
            manifest: format!("[dependencies]\n{}\n[lints]\nworkspace = true\n", lines.join("\n")),
            has_binary: false,
            dependencies: dependencies.iter().map(normal).collect(),
        }
    }
}

impl Dependency {
    /// Whether only tests see it.
    pub fn is_dev(&self) -> bool {
        self.kind.as_deref() == Some("dev")
    }

    /// The identifier the code knows it by.
    pub fn identifier(&self) -> String {
        self.rename.as_ref().or(self.library.as_ref()).unwrap_or(&self.name).replace('-', "_")
    }
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<MetadataPackage>,
    workspace_members: Vec<String>,
}

#[derive(Deserialize)]
struct MetadataPackage {
    id: String,
    #[serde(flatten)]
    licensed: Licensed,
    manifest_path: PathBuf,
    dependencies: Vec<Dependency>,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

impl Metadata {
    fn packages(&self, root: &Path) -> Result<Vec<Package>, String> {
        let ours = self.packages.iter().filter(|package| self.workspace_members.contains(&package.id));
        ours.map(|package| {
            let path = &package.manifest_path;
            let manifest = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
            let dir = path.parent().and_then(|dir| dir.strip_prefix(root).ok());
            let dir = dir.ok_or_else(|| format!("{} is outside the repository", path.display()))?;
            Ok(Package {
                name: package.licensed.name.clone(),
                dir: dir.to_string_lossy().into_owned(),
                manifest,
                has_binary: package.targets.iter().any(|target| target.kind.iter().any(|kind| kind == "bin")),
                dependencies: package.dependencies.iter().map(|d| self.with_library(d)).collect(),
            })
        })
        .collect()
    }

    fn with_library(&self, dependency: &Dependency) -> Dependency {
        let package = self.packages.iter().find(|package| package.licensed.name == dependency.name);
        let is_library =
            |target: &&Target| target.kind.iter().any(|k| k.ends_with("lib") || k == "proc-macro");
        let library = package.and_then(|package| package.targets.iter().find(is_library));
        Dependency { library: library.map(|target| target.name.clone()), ..dependency.clone() }
    }
}

fn cargo(root: &Path, arguments: &[&str]) -> Result<String, String> {
    run(root, env!("CARGO"), arguments)
}

fn run(root: &Path, program: &str, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(root)
        .output()
        .map_err(|e| format!("cannot run {program}: {e}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{program} {} failed: {said}", arguments.join(" ")));
    }
    String::from_utf8(output.stdout).map_err(|e| format!("{program}: {e}"))
}
