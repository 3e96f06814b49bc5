//! `warp rules`: list the rules of a database, add one, or remove one.

use crate::args::{Global, Rules};
use crate::failure::{Failure, Outcome};
use crate::open::{with, Access};
use crate::output;
use warp_engine::{Db, Rule};

pub fn run(global: &Global, args: &Rules) -> Outcome {
    let changes = args.add.is_some() || args.remove.is_some();
    let access = if changes { Access::Write } else { Access::Read };
    let (json, rules) = with(global, &args.database, access, |db| {
        change(db, args)?;
        Ok((db.rules_json(), db.rules()))
    })?;
    if global.json {
        return output::line(json);
    }
    rules.iter().try_for_each(|rule| output::line(show(rule)))
}

fn change(db: &Db, args: &Rules) -> Outcome {
    if let Some(text) = &args.add {
        let rule = Rule { place: !args.only_link, link: !args.only_place, ..Rule::parse(text)? };
        db.add_rule(&rule)?;
    }
    if let Some(first) = &args.remove {
        if !db.remove_rule(first.as_bytes())? {
            return Err(Failure::NotFound(format!("no rule begins with {first:?}")));
        }
    }
    Ok(())
}

fn show(rule: &Rule) -> String {
    let patterns: Vec<_> = rule.patterns.iter().map(|p| p.escape_ascii().to_string()).collect();
    let does = match (rule.place, rule.link) {
        (true, true) => "place, link",
        (true, false) => "place",
        _ => "link",
    };
    format!("{}  ({does})", patterns.join(","))
}
