/* The steps of the conformance suite about reads that do not wait, hints, rules, placement, links
   and the load monitor. Part of conformance.c, whose helpers it uses. */
#ifndef WARP_TEST_CONFORMANCE_FEATURES_H
#define WARP_TEST_CONFORMANCE_FEATURES_H

static void compare_form(runner *r, const char *what, warp_slice got, const json *form) {
    bytes wanted = decode(r, form);
    if (got.len != wanted.len || (got.len > 0 && memcmp(got.data, wanted.data, got.len) != 0)) {
        differ(r, "%s: the answer of %zu bytes differs from the %zu bytes of the file", what,
               got.len, wanted.len);
    }
}

static warp_status run_nowait(runner *r, const json *step) {
    bytes key = bytes_of(r, step, "key");
    warp_value value;
    warp_status status;
    if (is_op(step, "exists_nowait")) return warp_exists_nowait(r->db, key.data, key.len);
    memset(&value, 0, sizeof value);
    status = warp_get_pinned_nowait(r->db, key.data, key.len, &value);
    if (status == WARP_OK) compare_bytes(r, step, value.data, value.len);
    if (status != WARP_OK && (value.data != NULL || value.len != 0)) {
        differ(r, "there is a value beside the status");
    }
    warp_value_release(&value);
    return status;
}

static warp_status run_hint(runner *r, const json *step) {
    bytes key = bytes_of(r, step, "key"), value = bytes_of(r, step, "value");
    return warp_put_hinted(r->db, key.data, key.len, value.data, value.len,
                           (uint32_t)number_of(r, step, "hint"));
}

static warp_status run_rule(runner *r, const json *step) {
    const json *list = json_get(step, "patterns"), *one;
    warp_slice *patterns;
    size_t n = 0;
    if (is_op(step, "remove_rule")) {
        bytes pattern = bytes_of(r, step, "pattern");
        return warp_remove_rule(r->db, pattern.data, pattern.len);
    }
    patterns = (warp_slice *)step_alloc(r, json_count(list) * sizeof *patterns);
    for (one = list == NULL ? NULL : list->child; one != NULL; one = one->next, n++) {
        optional_slice(r, one, &patterns[n]);
    }
    return warp_add_rule(r->db, n, n == 0 ? NULL : patterns,
                         (uint32_t)number_of(r, step, "flags"));
}

/* Whether a member of a rule is true. */
static int is_true(runner *r, const json *rule, const char *name) {
    const json *node = json_get(rule, name);
    if (node == NULL || (node->kind != JSON_TRUE && node->kind != JSON_FALSE)) {
        differ(r, "the text of the rules has no %s", name);
        return 0;
    }
    return node->kind == JSON_TRUE;
}

static void compare_rule(runner *r, const json *got, const json *wanted) {
    const json *text = json_get(got, "patterns"), *form = json_get(wanted, "patterns");
    uint64_t flags = is_true(r, got, "place") ? WARP_RULE_PLACE : 0;
    if (is_true(r, got, "link")) flags |= WARP_RULE_LINK;
    compare_number(r, "flags of a rule", flags, number_of(r, wanted, "flags"));
    compare_number(r, "patterns of a rule", json_count(text), json_count(form));
    if (r->wrong) return;
    text = text == NULL ? NULL : text->child;
    form = form == NULL ? NULL : form->child;
    for (; text != NULL && form != NULL; text = text->next, form = form->next) {
        warp_slice pattern;
        pattern.data = (const uint8_t *)text->text;
        pattern.len = text->len;
        compare_form(r, "pattern", pattern, form);
    }
}

static warp_status run_rules(runner *r, const json *step) {
    char *text = NULL;
    size_t stopped = 0;
    warp_status status = warp_rules_json(r->db, &text);
    json *parsed = status == WARP_OK ? json_parse(text, strlen(text), &stopped) : NULL;
    const json *got = json_get(parsed, "rules"), *wanted = json_get(step, "rules");
    if (status == WARP_OK && got == NULL) differ(r, "the rules are no JSON, from byte %zu", stopped);
    compare_number(r, "number of rules", json_count(got), json_count(wanted));
    got = got == NULL ? NULL : got->child;
    wanted = wanted == NULL ? NULL : wanted->child;
    for (; !r->wrong && got != NULL && wanted != NULL; got = got->next, wanted = wanted->next) {
        compare_rule(r, got, wanted);
    }
    json_free(parsed);
    warp_string_free(text);
    return status;
}

static warp_status run_shard(runner *r, const json *step) {
    const json *keys = json_get(step, "keys"), *one;
    uint32_t shard = 0, first = 0;
    warp_status status = WARP_OK;
    bytes key;
    if (is_op(step, "shard_cpu")) {
        return warp_shard_cpu(r->db, (uint32_t)number_of(r, step, "shard"), &shard);
    }
    if (is_op(step, "shard_of")) {
        key = bytes_of(r, step, "key");
        status = warp_shard_of(r->db, key.data, key.len, &shard);
        if (status == WARP_OK) compare_number(r, "shard", shard, number_of(r, step, "shard"));
        return status;
    }
    for (one = keys == NULL ? NULL : keys->child; one != NULL && status == WARP_OK; one = one->next) {
        key = decode(r, one);
        status = warp_shard_of(r->db, key.data, key.len, &shard);
        if (one == keys->child) first = shard;
        if (status == WARP_OK) compare_number(r, "shard", shard, first);
    }
    return status;
}

static warp_status run_move(runner *r, const json *step) {
    uint64_t moved = 0, slot, end;
    uint32_t shard;
    warp_status status = WARP_OK;
    if (is_op(step, "rebalance")) {
        status = warp_rebalance(r->db, &moved);
        if (status != WARP_OK) return status;
        if (json_get(step, "at_least") == NULL) {
            compare_number(r, "slots moved", moved, number_of(r, step, "moved"));
        } else if (moved < number_of(r, step, "at_least")) {
            differ(r, "only %" PRIu64 " slots moved", moved);
        }
        return status;
    }
    slot = number_of(r, step, "first");
    end = slot + number_of(r, step, "count");
    shard = (uint32_t)number_of(r, step, "shard");
    for (; slot < end && status == WARP_OK; slot++) {
        status = warp_move_slot(r->db, (uint32_t)slot, shard);
    }
    return status;
}

static warp_status run_link(runner *r, const json *step) {
    bytes from = bytes_of(r, step, "from"), to = bytes_of(r, step, "to");
    const json *strength = json_get(step, "strength");
    if (is_op(step, "unlink")) return warp_unlink(r->db, from.data, from.len, to.data, to.len);
    if (strength == NULL || strength->kind != JSON_NUMBER) {
        differ(r, "strength is no number");
        return WARP_OK;
    }
    return warp_link(r->db, from.data, from.len, to.data, to.len, strength->number);
}

static warp_status run_get_linked(runner *r, const json *step) {
    bytes key = bytes_of(r, step, "key");
    const json *wanted = json_get(step, "linked");
    warp_linked *linked = NULL;
    warp_status status = warp_get_linked(r->db, key.data, key.len, &linked);
    size_t n = 0;
    if (status != WARP_OK) {
        if (linked != NULL) differ(r, "there are values beside the status");
        return status;
    }
    compare_number(r, "number of values", warp_linked_count(linked), json_count(wanted));
    wanted = wanted == NULL ? NULL : wanted->child;
    for (; wanted != NULL && !r->wrong; wanted = wanted->next, n++) {
        warp_slice partner = {NULL, 0}, value = {NULL, 0};
        double strength = 0;
        if (json_count(wanted) != 3) {
            differ(r, "value %zu of the file is no triple", n);
            break;
        }
        warp_linked_at(linked, n, &partner, &value, &strength);
        compare_form(r, "key", partner, wanted->child);
        compare_form(r, "value", value, wanted->child->next);
        if (strength != wanted->child->next->next->number) {
            differ(r, "value %zu has the strength %g", n, strength);
        }
    }
    warp_linked_free(linked);
    return status;
}

static warp_status run_partners(runner *r, const json *step) {
    bytes key = bytes_of(r, step, "key");
    const json *wanted = json_get(step, "partners");
    warp_linked *linked = NULL;
    warp_status status = warp_partners(r->db, key.data, key.len, &linked);
    size_t n = 0;
    if (status != WARP_OK) {
        if (linked != NULL) differ(r, "there are partners beside the status");
        return status;
    }
    compare_number(r, "number of partners", warp_linked_count(linked), json_count(wanted));
    wanted = wanted == NULL ? NULL : wanted->child;
    for (; wanted != NULL && !r->wrong; wanted = wanted->next, n++) {
        warp_slice partner = {NULL, 0}, value = {NULL, 0};
        double strength = 0;
        if (json_count(wanted) != 2) {
            differ(r, "partner %zu of the file is no pair", n);
            break;
        }
        warp_linked_at(linked, n, &partner, &value, &strength);
        compare_form(r, "partner", partner, wanted->child);
        compare_number(r, "length of its value", value.len, 0);
        if (strength != wanted->child->next->number) {
            differ(r, "partner %zu has the strength %g", n, strength);
        }
    }
    warp_linked_free(linked);
    return status;
}

static warp_status run_events(runner *r, const json *step) {
    char *text = NULL;
    size_t stopped = 0;
    warp_status status = warp_events_json(r->db, number_of(r, step, "from"), &text);
    json *parsed = status == WARP_OK ? json_parse(text, strlen(text), &stopped) : NULL;
    const json *event = json_get(parsed, "events"), *kind = json_get(step, "kinds");
    compare_number(r, "next", number_of(r, parsed, "next"), number_of(r, step, "next"));
    compare_number(r, "number of events", json_count(event), json_count(kind));
    event = event == NULL ? NULL : event->child;
    kind = kind == NULL ? NULL : kind->child;
    for (; !r->wrong && event != NULL && kind != NULL; event = event->next, kind = kind->next) {
        const char *got = text_of(r, event, "kind");
        if (strcmp(got, kind->text) != 0) differ(r, "an event is of the kind %s", got);
    }
    json_free(parsed);
    warp_string_free(text);
    return status;
}

/* Whether a text has a line. */
static int has_line(const char *text, const char *line) {
    size_t len = strlen(line);
    const char *at = text;
    while ((at = strstr(at, line)) != NULL) {
        if ((at == text || at[-1] == '\n') && at[len] == '\n') return 1;
        at++;
    }
    return 0;
}

static warp_status run_metrics(runner *r, const json *step) {
    static const char end[] = "\n# EOF\n";
    char *text = NULL;
    warp_status status = warp_stats_openmetrics(r->db, &text);
    const json *line = json_get(step, "lines");
    if (status != WARP_OK) return status;
    for (line = line == NULL ? NULL : line->child; line != NULL; line = line->next) {
        if (!has_line(text, line->text)) differ(r, "the text lacks the line %s", line->text);
    }
    if (strlen(text) < sizeof end || strcmp(text + strlen(text) - (sizeof end - 1), end) != 0) {
        differ(r, "the text has no end");
    }
    warp_string_free(text);
    return status;
}

#endif
