"""The model's rules, placement, links and load monitor."""

from forms import INVALID, NOT_FOUND, OK, READ_ONLY, Mismatch, decode, lengths, want

PLACE, LINK = 1, 2
SLOTS = 4096


def rules_of(option):
    """The rules of the option's text."""
    texts = [text.strip() for text in option.split(";") if text.strip()]
    return [([p.strip().encode() for p in text.split(",")], PLACE | LINK) for text in texts]


def rules_status(rules, more):
    """The status of adding rules behind others."""
    rules = [*rules, *(rule for rule in more if rule not in rules)]
    patterns = [pattern for rule in rules for pattern in rule[0]]
    good = (
        len(rules) <= 64
        and all(1 <= len(names) <= 16 and 0 < flags <= (PLACE | LINK) for names, flags in rules)
        and all(p.count(b"*") == 1 and len(p) <= 256 for p in patterns)
        and len(set(patterns)) == len(patterns)
    )
    return OK if good else INVALID


def star_of(pattern, key):
    """What the star of a pattern stands for in a key, or None."""
    before, after = pattern.split(b"*")
    star = key[len(before) : len(key) - len(after)]
    return star if star and before + star + after == key else None


def group_of(rules, key, flag):
    """The keys of a key's group by rules with a flag, its own left out, and the primary."""
    for patterns, flags in rules:
        for pattern in patterns if flags & flag else []:
            star = star_of(pattern, key)
            if star is not None:
                keys = [p.replace(b"*", star) for p in patterns]
                return [k for p, k in zip(patterns, keys) if p != pattern], keys[0]
    return [], key


def placement(model, step):
    """Rules and shards. Of shards the model knows those of groups, and of slots moved together."""
    op, rules = step["op"], model.db["rules"]
    if op == "add_rule":
        rule = ([decode(form) for form in step["patterns"]], step["flags"])
        status = rules_status(rules, [rule])
        if status == OK and model.read_only:
            return READ_ONLY
        if status == OK and rule not in rules:
            rules.append(rule)
        return status
    if op == "remove_rule":
        if model.read_only:
            return READ_ONLY
        first = decode(step["pattern"])
        left = [rule for rule in rules if rule[0][0] != first]
        model.db["rules"] = left
        return OK if len(left) < len(rules) else NOT_FOUND
    if op == "rules":
        said = [([decode(p) for p in r["patterns"]], r["flags"]) for r in step["rules"]]
        if said != rules:
            raise Mismatch(f"rules: the model has {rules!r}"[:300])
        return OK
    if op == "shard_cpu":
        return OK if step["shard"] < model.db["shards"] else INVALID
    one = 0 if model.db["shards"] == 1 else model.db["shard"]
    if op == "shard_of":
        status = lengths(decode(step["key"]))
        if status == OK and one is None:
            raise Mismatch("the model does not know the shard")
        if status == OK:
            want(step, "shard", one)
        return status
    places = {group_of(rules, decode(form), PLACE)[1] for form in step["keys"]}
    if one is None and len(places) > 1:
        raise Mismatch(f"the keys are of {len(places)} groups")
    return OK


def moves(model, step):
    if step["op"] == "move_slots":
        first, count, shard = step["first"], step["count"], step["shard"]
        if first + count > SLOTS or shard >= model.db["shards"]:
            return INVALID
        if model.read_only:
            return READ_ONLY
        if shard != model.db["shard"]:
            model.db["shard"] = shard if count == SLOTS else None
        return OK
    if model.read_only:
        return READ_ONLY
    if model.db["shards"] == 1:
        want(step, "moved", 0)
        return OK
    if model.db["shard"] is None or not model.db["map"] or step["at_least"] > len(model.db["map"]):
        raise Mismatch("the model does not know what moves")
    model.db["shard"] = None
    model.events.append("rebalanced")
    return OK


def links(model, step):
    op, all_links = step["op"], model.db["links"]
    if op in ("get_linked", "partners"):
        key = decode(step["key"])
        status = lengths(key)
        if status != OK:
            return status
        partners = sorted(all_links.get(key, {}).items(), key=lambda p: -p[1])
        others, _ = group_of(model.db["rules"], key, LINK)
        partners += [(k, 1) for k in others if k not in all_links.get(key, {})]
        del partners[32:]
        if op == "partners":
            if [(decode(k), s) for k, s in step["partners"]] != partners:
                raise Mismatch(f"partners: the model has {partners!r}"[:300])
            return OK
        if key not in model.db["map"]:
            return NOT_FOUND
        found = [(k, model.db["map"][k], s) for k, s in partners if k in model.db["map"]]
        said = [(decode(k), decode(v), s) for k, v, s in step["linked"]]
        if said != [(key, model.db["map"][key], 1), *found]:
            raise Mismatch(f"linked: the model has {found!r}"[:300])
        return OK
    source, to = decode(step["from"]), decode(step["to"])
    for key in (source, to):
        if lengths(key) != OK:
            return lengths(key)
    there = all_links.get(source, {})
    strength = step.get("strength", 1)
    full = op == "link" and len(there) >= 32 and to not in there
    if source == to or not 0 < strength <= 1 or full:
        return INVALID
    if model.read_only:
        return READ_ONLY
    existed = there.pop(to, None) is not None
    if op == "link":
        all_links.setdefault(source, {})[to] = strength
        return OK
    return OK if existed else NOT_FOUND


def monitor(model, step):
    if step["op"] == "openmetrics":
        known = {f"warp_{name}_total": n for name, n in model.counts.items()}
        known["warp_keys"] = len(model.db["map"])
        for line in step["lines"]:
            name, value = line.split(" ")
            if known.get(name) != int(value):
                raise Mismatch(f"{name} is {known.get(name)} in the model")
        return OK
    if model.options.get("load_monitor") != "false":
        raise Mismatch("events depend on the load, unless the monitor is off")
    want(step, "next", len(model.events) + 1)
    want(step, "kinds", model.events[max(step["from"], 1) - 1 :])
    return OK


FEATURES = {
    "add_rule": placement,
    "remove_rule": placement,
    "rules": placement,
    "same_shard": placement,
    "shard_of": placement,
    "shard_cpu": placement,
    "move_slots": moves,
    "rebalance": moves,
    "link": links,
    "unlink": links,
    "get_linked": links,
    "partners": links,
    "events": monitor,
    "openmetrics": monitor,
}
