//! The steps about reads that do not wait, hints, rules, placement, links and the load monitor.

use crate::bytes::decode;
use crate::steps::{bytes, compare_value, done, failed, key, list, number, same, same_bytes, yes};
use crate::steps::{Outcome, Step, NOT_FOUND, OK, WOULD_BLOCK};
use serde_json::Value;
use warp_engine::{Db, Linked, NowaitPinned, Rule, Temperature};

const INVALID: &str = "WARP_ERR_INVALID_ARGUMENT";

/// The answer of a step; `None` if it is none of these.
pub fn answer(db: &Db, step: &Step) -> Option<Outcome> {
    Some(match step.get("op").and_then(Value::as_str)? {
        "put_hinted" => put_hinted(db, step),
        "get_pinned_nowait" => get_pinned_nowait(db, step),
        "exists_nowait" => exists_nowait(db, step),
        "add_rule" => rule(step).map(|rule| done(db.add_rule(&rule))),
        "remove_rule" => {
            bytes(step, "pattern").map(|pattern| yes(db.remove_rule(&pattern), NOT_FOUND))
        }
        "rules" => rules(db, step),
        "same_shard" => same_shard(db, step),
        "shard_of" => shard_of(db, step),
        "shard_cpu" => {
            number(step, "shard").map(|shard| done(db.shard_cpu(shard as usize).map(drop)))
        }
        "move_slots" => move_slots(db, step),
        "rebalance" => rebalance(db, step),
        "link" => link(db, step),
        "unlink" => unlink(db, step),
        "get_linked" => get_linked(db, step),
        "partners" => partners(db, step),
        "events" => events(db, step),
        "openmetrics" => openmetrics(db, step),
        _ => return None,
    })
}

fn put_hinted(db: &Db, step: &Step) -> Outcome {
    // The Rust interface has no other hints.
    let hint = match number(step, "hint")? {
        1 => Temperature::Hot,
        2 => Temperature::Warm,
        3 => Temperature::Cold,
        _ => return Ok(INVALID),
    };
    Ok(done(db.put_hinted(&key(step)?, &bytes(step, "value")?, hint)))
}

fn get_pinned_nowait(db: &Db, step: &Step) -> Outcome {
    match db.get_pinned_nowait(&key(step)?) {
        Ok(NowaitPinned::WouldBlock) => Ok(WOULD_BLOCK),
        Ok(NowaitPinned::Missing) => Ok(NOT_FOUND),
        Ok(NowaitPinned::Found(value)) => compare_value(step, Ok(Some(value))),
        Err(error) => Ok(failed(&error)),
    }
}

fn exists_nowait(db: &Db, step: &Step) -> Outcome {
    Ok(match db.exists_nowait(&key(step)?) {
        Ok(None) => WOULD_BLOCK,
        Ok(Some(there)) => yes(Ok(there), NOT_FOUND),
        Err(error) => failed(&error),
    })
}

fn rule(fields: &Step) -> Result<Rule, String> {
    let patterns = list(fields, "patterns")?.iter().map(decode).collect::<Result<_, _>>()?;
    let flags = number(fields, "flags")?;
    Ok(Rule { patterns, place: flags & 1 != 0, link: flags & 2 != 0 })
}

fn rules(db: &Db, step: &Step) -> Outcome {
    let mut wanted = Vec::new();
    for fields in list(step, "rules")? {
        wanted.push(rule(fields.as_object().ok_or("a rule is no object")?)?);
    }
    same("rules", &db.rules(), &wanted)?;
    // The text says the same as the list.
    let json: Value = serde_json::from_str(&db.rules_json()).map_err(|e| e.to_string())?;
    same("rules in the text", &json["rules"].as_array().map(Vec::len), &Some(wanted.len()))?;
    for (said, rule) in json["rules"].as_array().into_iter().flatten().zip(&wanted) {
        let patterns: Vec<_> = rule.patterns.iter().map(|p| String::from_utf8_lossy(p)).collect();
        same("patterns in the text", &said["patterns"], &serde_json::json!(patterns))?;
        same("place in the text", &said["place"], &Value::from(rule.place))?;
        same("link in the text", &said["link"], &Value::from(rule.link))?;
    }
    Ok(OK)
}

fn same_shard(db: &Db, step: &Step) -> Outcome {
    let mut first = None;
    for form in list(step, "keys")? {
        match db.shard_of(&decode(form)?) {
            Err(error) => return Ok(failed(&error)),
            Ok(shard) => same("shard", &shard, first.get_or_insert(shard))?,
        }
    }
    Ok(OK)
}

fn shard_of(db: &Db, step: &Step) -> Outcome {
    match db.shard_of(&key(step)?) {
        Ok(shard) => same("shard", &(shard as u64), &number(step, "shard")?).map(|()| OK),
        Err(error) => Ok(failed(&error)),
    }
}

fn move_slots(db: &Db, step: &Step) -> Outcome {
    let (first, shard) = (number(step, "first")?, number(step, "shard")?);
    for slot in first..first + number(step, "count")? {
        if let Err(error) = db.move_slot(slot as usize, shard as usize) {
            return Ok(failed(&error));
        }
    }
    Ok(OK)
}

fn rebalance(db: &Db, step: &Step) -> Outcome {
    let moved = match db.rebalance() {
        Ok(moved) => moved,
        Err(error) => return Ok(failed(&error)),
    };
    match step.get("at_least").and_then(Value::as_u64) {
        Some(least) if moved < least => Err(format!("{moved} slots moved, fewer than {least}")),
        Some(_) => Ok(OK),
        None => same("slots moved", &moved, &number(step, "moved")?).map(|()| OK),
    }
}

fn strength(form: Option<&Value>) -> Result<f64, String> {
    form.and_then(Value::as_f64).ok_or_else(|| "a strength is no number".to_owned())
}

fn link(db: &Db, step: &Step) -> Outcome {
    let strength = strength(step.get("strength"))?;
    Ok(done(db.link(&bytes(step, "from")?, &bytes(step, "to")?, strength as f32)))
}

fn unlink(db: &Db, step: &Step) -> Outcome {
    Ok(yes(db.unlink(&bytes(step, "from")?, &bytes(step, "to")?), NOT_FOUND))
}

fn get_linked(db: &Db, step: &Step) -> Outcome {
    let linked: Vec<Linked> = match db.get_linked(&key(step)?) {
        Ok(None) => return Ok(NOT_FOUND),
        Ok(Some(linked)) => linked,
        Err(error) => return Ok(failed(&error)),
    };
    let wanted = list(step, "linked")?;
    same("number of values", &linked.len(), &wanted.len())?;
    for (i, (got, wanted)) in linked.iter().zip(wanted).enumerate() {
        same_bytes(&format!("key {i}"), &got.key, &decode(&wanted[0])?)?;
        same_bytes(&format!("value {i}"), &got.value, &decode(&wanted[1])?)?;
        same(&format!("strength {i}"), &f64::from(got.strength), &strength(wanted.get(2))?)?;
    }
    Ok(OK)
}

fn partners(db: &Db, step: &Step) -> Outcome {
    let got = match db.partners(&key(step)?) {
        Ok(partners) => partners,
        Err(error) => return Ok(failed(&error)),
    };
    let wanted = list(step, "partners")?;
    same("number of partners", &got.len(), &wanted.len())?;
    for (i, (got, wanted)) in got.iter().zip(wanted).enumerate() {
        same_bytes(&format!("partner {i}"), &got.key, &decode(&wanted[0])?)?;
        same(&format!("strength {i}"), &f64::from(got.strength), &strength(wanted.get(1))?)?;
    }
    Ok(OK)
}

fn events(db: &Db, step: &Step) -> Outcome {
    let text = db.events_json(number(step, "from")?);
    let json: Value = serde_json::from_str(&text).map_err(|e| e.to_string())?;
    same("next", &json["next"], &step["next"])?;
    let kinds: Vec<_> =
        json["events"].as_array().into_iter().flatten().map(|e| e["kind"].clone()).collect();
    same("kinds", &kinds, list(step, "kinds")?).map(|()| OK)
}

fn openmetrics(db: &Db, step: &Step) -> Outcome {
    let got = db.openmetrics();
    same("the last line", &got.lines().last(), &Some("# EOF"))?;
    for line in list(step, "lines")? {
        let line = line.as_str().ok_or("a line is no text")?;
        if !got.lines().any(|one| one == line) {
            return Err(format!("the text lacks the line {line}"));
        }
    }
    Ok(OK)
}
