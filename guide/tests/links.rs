//! Every link of every page has a target, on a forge and in the book.

// A test that fails panics.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

use dasf_guide::{files, pages, root};
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};
use regex::Regex;

const CHAPTERS: &str = "guide/chapters";

/// The links and the headings of a page.
struct Page {
    links: Vec<String>,
    anchors: BTreeSet<String>,
}

impl Page {
    fn read(path: &Path) -> Self {
        let text = fs::read_to_string(root().join(path)).unwrap();
        let mut links = Vec::new();
        let mut anchors = BTreeSet::new();
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        let mut heading: Option<String> = None;
        for event in Parser::new_ext(&text, Options::ENABLE_TABLES) {
            match event {
                Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                    links.push(dest_url.into_string());
                }
                Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
                Event::Text(part) | Event::Code(part) => {
                    if let Some(heading) = &mut heading {
                        heading.push_str(&part);
                    }
                }
                Event::End(TagEnd::Heading(_)) => {
                    let anchor = anchor_of(&heading.take().unwrap_or_default());
                    let count = counts.entry(anchor.clone()).or_default();
                    let suffix = if *count == 0 {
                        String::new()
                    } else {
                        format!("-{count}")
                    };
                    *count += 1;
                    anchors.insert(anchor + &suffix);
                }
                _ => {}
            }
        }
        Self { links, anchors }
    }
}

/// The anchor that forges and mdBook give to a heading.
fn anchor_of(heading: &str) -> String {
    let kept = heading.chars().filter_map(|character| match character {
        ' ' => Some('-'),
        '-' | '_' => Some(character),
        _ if character.is_alphanumeric() => Some(character),
        _ => None,
    });
    kept.flat_map(char::to_lowercase).collect()
}

/// The path without `..`.
fn normal(path: &Path) -> PathBuf {
    path.components()
        .fold(PathBuf::new(), |mut normal, component| {
            match component {
                Component::ParentDir => {
                    normal.pop();
                }
                Component::CurDir => {}
                other => normal.push(other),
            }
            normal
        })
}

#[test]
fn every_link_of_a_page_has_a_target() {
    let files = files().unwrap();
    let paths = pages().unwrap();
    let pages: BTreeMap<&PathBuf, Page> =
        paths.iter().map(|path| (path, Page::read(path))).collect();
    let mut dead = Vec::new();
    for (path, page) in &pages {
        for link in &page.links {
            if link.starts_with("https://") || link.starts_with("http://") {
                continue;
            }
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() {
                (*path).clone()
            } else {
                normal(&path.parent().unwrap_or(Path::new("")).join(file))
            };
            let is_folder = || files.iter().any(|file| file.starts_with(&target));
            let leads_out = path.starts_with(CHAPTERS) && !target.starts_with(CHAPTERS);
            let has_anchor = anchor.is_empty()
                || pages
                    .get(&target)
                    .is_some_and(|page| page.anchors.contains(anchor));
            if leads_out || !has_anchor || !(files.contains(&target) || is_folder()) {
                dead.push(format!("{}: {link}", path.display()));
            }
        }
    }
    assert!(dead.is_empty(), "dead links:\n{}", dead.join("\n"));
}

#[test]
fn every_chapter_is_in_the_table_of_contents() {
    let summary = Page::read(&Path::new(CHAPTERS).join("SUMMARY.md"));
    let linked: BTreeSet<PathBuf> = summary
        .links
        .iter()
        .map(|link| Path::new(CHAPTERS).join(link))
        .collect();
    let chapters: BTreeSet<PathBuf> = files()
        .unwrap()
        .into_iter()
        .filter(|path| path.starts_with(CHAPTERS) && !path.ends_with("SUMMARY.md"))
        .collect();
    assert_eq!(chapters, linked);
}

/// What `cargo xtask book` makes, checked page by page.
#[test]
fn every_link_of_the_book_has_a_target() {
    let book = root().canonicalize().unwrap().join("target/book");
    let attribute =
        Regex::new(r#"<(?:a|link|script|img)\b[^>]*?\b(?:href|src)="([^"]*)""#).unwrap();
    let id = Regex::new(r#"\bid="([^"]*)""#).unwrap();
    let mut pages = BTreeMap::new();
    let entries = fs::read_dir(&book);
    let entries = entries.unwrap_or_else(|_| panic!("no book; make it with: cargo xtask book"));
    for entry in entries {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "html")
        {
            pages.insert(path.clone(), fs::read_to_string(&path).unwrap());
        }
    }
    let ids: BTreeMap<&PathBuf, BTreeSet<&str>> = pages
        .iter()
        .map(|(path, text)| {
            let ids = id
                .captures_iter(text)
                .map(|found| found.get(1).unwrap().as_str());
            (path, ids.collect())
        })
        .collect();
    assert!(pages.len() > 15, "{} pages", pages.len());
    let mut dead = Vec::new();
    for (path, text) in &pages {
        for found in attribute.captures_iter(text) {
            let link = &found[1];
            if link.contains("://") || link.starts_with("data:") || link.is_empty() {
                continue;
            }
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() {
                path.clone()
            } else {
                normal(&book.join(file))
            };
            let has_anchor =
                anchor.is_empty() || ids.get(&target).is_some_and(|ids| ids.contains(anchor));
            if !target.exists() || !has_anchor {
                dead.push(format!("{}: {link}", path.display()));
            }
        }
    }
    assert!(dead.is_empty(), "dead links:\n{}", dead.join("\n"));
}
