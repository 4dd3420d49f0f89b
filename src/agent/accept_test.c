/* The accept rule: a good question, and each condition violated alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/accept.h"
#include "base/check.h"

#define DAY_S  86400u
#define NOW_S  UINT64_C(1795600960)
#define TARGET SPAN_LITERAL("pump/2.0/pump.bin")

/* One question with all that it refers to. */
struct case_of {
    struct release_facts facts;
    struct record_image running;
    struct record_mandate last;
    struct accept_evidence evidence;
    struct accept_question question;
};

static const uint8_t image[DIGEST_SIZE] = {0xAB, 0xCD}, other_image[DIGEST_SIZE] = {0xEF};
static const uint8_t blocked[2][DIGEST_SIZE] = {{1}, {0xAB, 0xCD}};
static const uint8_t key[VERIFY_KID_SIZE] = {1, 2, 3, 4, 5, 6, 7, 8};
static const uint8_t nonce[MANDATE_NONCE_SIZE] = {9, 9, 9};

/* Version 2.0 for a pump on 1.0, asked for by a server that may, in answer to our question. */
static struct case_of *good(struct case_of *c)
{
    *c = (struct case_of){
        .facts = {.product = "pump",
                  .version = "2.0",
                  .hardware = {"rev-a", "rev-b"},
                  .hardware_count = 2,
                  .security_version = 3,
                  .security_floor = 2,
                  .release_counter = 12,
                  .length = 3000,
                  .chunk_size = 1024,
                  .bases = {{.version = "0.9"}, {.version = "1.0"}},
                  .bases_count = 2},
        .running = {.known = true,
                    .version = "1.0",
                    .sha256 = {7},
                    .security_version = 3,
                    .release_counter = 11,
                    .length = 2000},
        .last = {.sequence = 41, .key_id = {1, 2, 3, 4, 5, 6, 7, 8}, .assignment = 6},
        .evidence = {.chain = ERR_OK,
                     .target = TARGET,
                     .root_version = 4,
                     .signature = ACCEPT_SIGNED,
                     .mandate = {.device = SPAN_LITERAL("pump-17"),
                                 .sequence = 42,
                                 .nonce_known = true,
                                 .issued_s = NOW_S,
                                 .id = 7,
                                 .action = MANDATE_INSTALL,
                                 .target = TARGET,
                                 .not_before_s = NOW_S,
                                 .deadline_s = NOW_S,
                                 .root_version_min = 4},
                     .nonce_known = true,
                     .blocked = blocked[0],
                     .blocked_count = 1,
                     .now = {(int64_t)NOW_S * 1000}},
        .question = {.offer = {.assignment = 7, .target = TARGET, .sha256 = {.known = true}},
                     .device = {.name = "pump-17",
                                .product = "pump",
                                .hardware = "rev-b",
                                .security_floor = 3}},
    };
    memcpy(c->facts.sha256, image, DIGEST_SIZE);
    memcpy(c->evidence.mandate.sha256, image, DIGEST_SIZE);
    memcpy(c->question.offer.sha256.at, image, DIGEST_SIZE);
    memcpy(c->evidence.mandate.nonce, nonce, sizeof nonce);
    memcpy(c->evidence.nonce, nonce, sizeof nonce);
    memcpy(c->evidence.key_id, key, sizeof key);
    c->evidence.facts = &c->facts;
    c->question.evidence = &c->evidence;
    c->question.device.running = &c->running;
    c->question.device.last = &c->last;
    return c;
}

/* ---- one condition violated, and nothing else ---- */

static void untrusted_chain(struct case_of *c)
{
    c->evidence.chain = ERR_UNTRUSTED;
}
static void no_length(struct case_of *c)
{
    c->facts.length = 0;
}
static void odd_chunks(struct case_of *c)
{
    c->facts.chunk_size = 1025;
}
static void floor_above_version(struct case_of *c)
{
    c->facts.security_floor = 4;
}
static void other_product(struct case_of *c)
{
    memcpy(c->facts.product, "fan", 4);
}
static void longer_product(struct case_of *c)
{
    memcpy(c->facts.product, "pumps", 6);
}
/* By signers of fans, who say that it is for pumps. */
static void list_under(struct case_of *c, const char *name)
{
    c->evidence.target = c->evidence.mandate.target = c->question.offer.target = span_of(name);
}
static void listed_as_other_product(struct case_of *c)
{
    list_under(c, "fan/2.0/pump.bin");
}
static void listed_as_longer_product(struct case_of *c)
{
    list_under(c, "pumps/2.0/pump.bin");
}
static void listed_as_product_alone(struct case_of *c)
{
    list_under(c, "pump");
}
static void other_hardware(struct case_of *c)
{
    c->facts.hardware_count = 1;
}
static void unnamed_key(struct case_of *c)
{
    c->evidence.signature = ACCEPT_NO_KEY;
}
static void no_signature(struct case_of *c)
{
    c->evidence.signature = ACCEPT_UNSIGNED;
}
static void forged(struct case_of *c)
{
    c->evidence.signature = ACCEPT_FORGED;
}
static void to_another(struct case_of *c)
{
    c->evidence.mandate.device.size--;
}
static void older_sequence(struct case_of *c)
{
    c->evidence.mandate.sequence = 40;
}
static void same_sequence(struct case_of *c)
{
    c->evidence.mandate.sequence = 41;
}
static void other_nonce(struct case_of *c)
{
    c->evidence.mandate.nonce[15] ^= 1;
}
static void asked_without_nonce(struct case_of *c)
{
    c->evidence.nonce_known = false;
}
static void without_nonce(struct case_of *c)
{
    c->evidence.mandate.nonce_known = false;
}
static void hold(struct case_of *c)
{
    c->evidence.mandate.action = MANDATE_HOLD;
}
static void other_assignment(struct case_of *c)
{
    c->question.offer.assignment = 8;
}
static void barred_install(struct case_of *c)
{
    c->question.offer.download_barred = true;
}
static void other_sha256(struct case_of *c)
{
    c->evidence.mandate.sha256[31] ^= 1;
}
static void other_offer(struct case_of *c)
{
    c->question.offer.sha256.at[31] ^= 1;
}
static void other_target(struct case_of *c)
{
    c->evidence.mandate.target.size--;
}
static void other_found(struct case_of *c)
{
    c->evidence.target.size--;
}
static void other_asked(struct case_of *c)
{
    c->question.offer.target.size--;
}
static void old_root(struct case_of *c)
{
    c->evidence.root_version = 3;
}
static void below_floor(struct case_of *c)
{
    c->question.device.security_floor = 4;
}
static void below_floor_of_policy(struct case_of *c)
{
    c->evidence.security_floor = 4;
}
static void same_count(struct case_of *c)
{
    c->running.release_counter = 12;
}
static void same_version(struct case_of *c)
{
    c->running.release_counter = 0;
    memcpy(c->running.version, "2.0", 4);
    c->facts.bases_count = 0;
}
static void older_version(struct case_of *c)
{
    c->facts.release_counter = 0;
    memcpy(c->running.version, "10.0", 5);
    c->facts.bases_count = 0;
}
static void other_base(struct case_of *c)
{
    c->facts.bases_count = 1;
}
static void unknown_base(struct case_of *c)
{
    c->running.known = false;
}
static void other_base_of_newer_way_back(struct case_of *c)
{
    c->evidence.mandate.action = MANDATE_ROLLBACK;
    c->facts.bases_count = 1;
}
static void blocked_image(struct case_of *c)
{
    c->evidence.blocked_count = 2;
}
static void stale(struct case_of *c)
{
    c->evidence.stale_s = 1;
}
static void too_stale(struct case_of *c)
{
    c->evidence.allow_stale_s = DAY_S;
    c->evidence.stale_s = DAY_S + 1;
}
static void stale_by_mandate(struct case_of *c)
{
    c->evidence.allow_stale_s = DAY_S;
    c->evidence.mandate.allow_stale_s = 10;
    c->evidence.stale_s = 11;
}
static void stale_rollback(struct case_of *c)
{
    c->evidence.mandate.action = MANDATE_ROLLBACK;
    c->evidence.allow_stale_s = DAY_S;
    c->evidence.stale_s = 1;
}
static void early(struct case_of *c)
{
    c->evidence.mandate.not_before_s = NOW_S + 1;
}
static void late(struct case_of *c)
{
    c->evidence.mandate.deadline_s = NOW_S - 1;
}
static void busy(struct case_of *c)
{
    c->question.hindrance = AGENT_REASON_BUSY;
}
static void weak(struct case_of *c)
{
    c->question.hindrance = AGENT_REASON_POWER;
}
static void full(struct case_of *c)
{
    c->question.hindrance = AGENT_REASON_SPACE;
}
static void too_large(struct case_of *c)
{
    c->question.hindrance = AGENT_REASON_SIZE;
}

/* Made in advance, and the signed policy allows that. */
static void in_advance(struct case_of *c)
{
    c->evidence.mandate.nonce_known = false;
    c->evidence.mandate.issued_s = NOW_S - DAY_S;
    c->evidence.mandate.allow_stale_s = DAY_S;
    c->evidence.allow_stale_s = 2 * DAY_S;
}
static void in_advance_too_old(struct case_of *c)
{
    in_advance(c);
    c->evidence.mandate.issued_s--;
}
static void in_advance_without_policy(struct case_of *c)
{
    in_advance(c);
    c->evidence.allow_stale_s = 0;
}
static void in_advance_not_meant(struct case_of *c)
{
    in_advance(c);
    c->evidence.mandate.allow_stale_s = 0;
}
static void in_advance_for_ever(struct case_of *c)
{
    in_advance(c);
    c->evidence.mandate.deadline_s = 0;
}
static void in_advance_backwards(struct case_of *c)
{
    in_advance(c);
    c->evidence.mandate.action = MANDATE_RECOVER;
}

struct row {
    void (*spoil)(struct case_of *c);
    enum agent_reason reason;
};

static const struct row rows[] = {
    {untrusted_chain, AGENT_REASON_METADATA},
    {no_length, AGENT_REASON_FACTS},
    {odd_chunks, AGENT_REASON_FACTS},
    {floor_above_version, AGENT_REASON_FACTS},
    {other_product, AGENT_REASON_PRODUCT},
    {longer_product, AGENT_REASON_PRODUCT},
    {listed_as_other_product, AGENT_REASON_PRODUCT},
    {listed_as_longer_product, AGENT_REASON_PRODUCT},
    {listed_as_product_alone, AGENT_REASON_PRODUCT},
    {other_hardware, AGENT_REASON_HARDWARE},
    {unnamed_key, AGENT_REASON_ASSIGNMENT_KEY},
    {no_signature, AGENT_REASON_ASSIGNMENT_SIGNATURE},
    {forged, AGENT_REASON_ASSIGNMENT_SIGNATURE},
    {to_another, AGENT_REASON_NOT_ADDRESSED},
    {older_sequence, AGENT_REASON_REPLAYED},
    {same_sequence, AGENT_REASON_REPLAYED},
    {other_nonce, AGENT_REASON_NONCE},
    {asked_without_nonce, AGENT_REASON_NONCE},
    {without_nonce, AGENT_REASON_NONCE},
    {in_advance_too_old, AGENT_REASON_NONCE},
    {in_advance_without_policy, AGENT_REASON_NONCE},
    {in_advance_not_meant, AGENT_REASON_NONCE},
    {in_advance_for_ever, AGENT_REASON_NONCE},
    {in_advance_backwards, AGENT_REASON_NONCE},
    {hold, AGENT_REASON_ACTION},
    {other_assignment, AGENT_REASON_ACTION},
    {barred_install, AGENT_REASON_ACTION},
    {other_sha256, AGENT_REASON_DIGEST},
    {other_offer, AGENT_REASON_DIGEST},
    {other_target, AGENT_REASON_DIGEST},
    {other_found, AGENT_REASON_DIGEST},
    {other_asked, AGENT_REASON_DIGEST},
    {old_root, AGENT_REASON_ROOT_VERSION},
    {below_floor, AGENT_REASON_FLOOR},
    {below_floor_of_policy, AGENT_REASON_FLOOR},
    {same_count, AGENT_REASON_NOT_NEWER},
    {same_version, AGENT_REASON_NOT_NEWER},
    {older_version, AGENT_REASON_NOT_NEWER},
    {other_base, AGENT_REASON_BASE},
    {unknown_base, AGENT_REASON_BASE},
    {other_base_of_newer_way_back, AGENT_REASON_BASE},
    {blocked_image, AGENT_REASON_BLOCKED},
    {stale, AGENT_REASON_STALE},
    {too_stale, AGENT_REASON_STALE},
    {stale_by_mandate, AGENT_REASON_STALE},
    {stale_rollback, AGENT_REASON_STALE},
    {early, AGENT_REASON_EARLY},
    {late, AGENT_REASON_LATE},
    {busy, AGENT_REASON_BUSY},
    {weak, AGENT_REASON_POWER},
    {full, AGENT_REASON_SPACE},
    {too_large, AGENT_REASON_SIZE},
};

static bool is_hindrance(enum agent_reason reason)
{
    return reason == AGENT_REASON_POWER || reason == AGENT_REASON_SPACE ||
           reason == AGENT_REASON_SIZE;
}

/* The row of the rule that stands for the reason. */
static uint32_t rule_of(enum agent_reason reason)
{
    enum agent_reason listed = is_hindrance(reason) ? AGENT_REASON_BUSY : reason;

    for (uint32_t i = 0; i < accept_rule_count(); i++) {
        if (accept_rule_reason(i) == listed)
            return i;
    }
    fail_msg("no rule for %s", agent_reason_name(reason));
    return 0;
}

static void test_a_good_question_is_accepted(void **state)
{
    struct case_of c;

    (void)state;
    assert_int_equal(accept_judge(&good(&c)->question), AGENT_REASON_NONE);
    assert_int_equal(accept_err(AGENT_REASON_NONE), ERR_OK);
}

/* What would be let through if one condition were left out of the rule: for every row exactly one
 * condition fails, so that its loss would turn the answer into "accepted". */
static void test_each_condition_alone(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct case_of c;
        uint32_t mine = rule_of(rows[i].reason);

        rows[i].spoil(good(&c));
        if (accept_judge(&c.question) != rows[i].reason)
            fail_msg("row %zu: %s instead of %s", i, agent_reason_name(accept_judge(&c.question)),
                     agent_reason_name(rows[i].reason));
        for (uint32_t rule = 0; rule < accept_rule_count(); rule++) {
            if (accept_rule_holds(rule, &c.question) != (rule != mine))
                fail_msg("row %zu: %s is violated, and %s says %s", i,
                         agent_reason_name(rows[i].reason),
                         agent_reason_name(accept_rule_reason(rule)),
                         rule == mine ? "nothing" : "so, too");
        }
    }
}

/* A condition without a row here could be lost without any test failing. */
static void test_each_condition_has_a_row(void **state)
{
    (void)state;
    for (uint32_t rule = 0; rule < accept_rule_count(); rule++) {
        bool found = false;

        for (size_t i = 0; i < COUNT_OF(rows); i++)
            found = found || rows[i].reason == accept_rule_reason(rule);
        if (!found)
            fail_msg("%s is not tested", agent_reason_name(accept_rule_reason(rule)));
    }
}

/* Two conditions violated: the first in the order of the rule is told. (Some pairs mend each
 * other: a rollback needs no base.) */
static void test_the_order_is_fixed(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows) * COUNT_OF(rows); i++) {
        struct case_of c;
        enum agent_reason said;
        uint32_t first = 0;

        rows[i / COUNT_OF(rows)].spoil(good(&c));
        rows[i % COUNT_OF(rows)].spoil(&c);
        said = accept_judge(&c.question);
        while (first < accept_rule_count() && accept_rule_holds(first, &c.question))
            first++;
        assert_int_equal(first, said ? rule_of(said) : accept_rule_count());
    }
}

static void test_reasons_have_errors_and_names(void **state)
{
    static const struct {
        enum agent_reason reason;
        enum err err;
    } some[] = {
        {AGENT_REASON_FACTS, ERR_CORRUPT},      {AGENT_REASON_PRODUCT, ERR_UNSUITABLE},
        {AGENT_REASON_REPLAYED, ERR_UNTRUSTED}, {AGENT_REASON_FLOOR, ERR_UNSUITABLE},
        {AGENT_REASON_SIZE, ERR_TOO_BIG},       {AGENT_REASON_SPACE, ERR_TOO_BIG},
        {AGENT_REASON_BUSY, ERR_AGAIN},         {AGENT_REASON_POWER, ERR_AGAIN},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(some); i++)
        assert_int_equal(accept_err(some[i].reason), some[i].err);
    for (int a = 1; a < AGENT_REASON_COUNT; a++) {
        const char *name = agent_reason_name((enum agent_reason)a);

        assert_true(name[0] != '\0' && strlen(name) <= NAME_SIZE_MAX);
        assert_true(agent_reason_text((enum agent_reason)a)[0] != '\0');
        assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz_"), strlen(name));
        for (int b = 0; b < a; b++)
            assert_string_not_equal(name, agent_reason_name((enum agent_reason)b));
    }
}

/* ---- what is accepted although it looks odd ---- */

static void test_the_mandate_in_hand_may_come_again(void **state)
{
    struct case_of c;

    (void)state;
    same_sequence(good(&c));
    c.last.open = true;
    c.last.assignment = 7;
    assert_int_equal(accept_judge(&c.question), AGENT_REASON_NONE);
    c.last.assignment = 6; /* the number was used for another one */
    assert_int_equal(accept_judge(&c.question), AGENT_REASON_REPLAYED);
}

/* A server that has burnt all numbers gets a new key, and another one may then go on. */
static void test_another_key_starts_afresh(void **state)
{
    struct case_of c;

    (void)state;
    good(&c)->last.sequence = UINT64_MAX;
    assert_int_equal(accept_judge(&c.question), AGENT_REASON_REPLAYED);
    c.evidence.key_id[0] ^= 1;
    c.evidence.mandate.sequence = 1;
    assert_int_equal(accept_judge(&c.question), AGENT_REASON_NONE);
    c.last.sequence = 0;
    assert_int_equal(accept_judge(&c.question), AGENT_REASON_NONE);
}

static void test_going_back_needs_no_base_and_no_newer_version(void **state)
{
    static const enum mandate_action actions[] = {MANDATE_ROLLBACK, MANDATE_RECOVER};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(actions); i++) {
        for (int barred = 0; barred < 2; barred++) {
            struct case_of c;

            good(&c)->running.release_counter = 99;
            memcpy(c.running.version, "9.0", 4);
            c.evidence.mandate.action = actions[i];
            c.question.offer.download_barred = barred == 1;
            assert_int_equal(accept_judge(&c.question), AGENT_REASON_NONE);
            c.question.device.security_floor = 4; /* ... but the floor holds */
            assert_int_equal(accept_judge(&c.question), AGENT_REASON_FLOOR);
        }
    }
}

static void test_grace_is_granted_to_its_last_second(void **state)
{
    struct case_of c;

    (void)state;
    in_advance(good(&c));
    assert_int_equal(accept_judge(&c.question), AGENT_REASON_NONE);
    c.evidence.mandate.issued_s = NOW_S + DAY_S; /* made by a clock that was ahead */
    assert_int_equal(accept_judge(&c.question), AGENT_REASON_NONE);

    good(&c)->evidence.allow_stale_s = DAY_S;
    c.evidence.stale_s = DAY_S;
    assert_int_equal(accept_judge(&c.question), AGENT_REASON_NONE);
}

static void test_what_the_device_does_not_know_is_no_obstacle(void **state)
{
    struct case_of c;

    (void)state;
    good(&c)->running.known = false;
    c.facts.bases_count = 0;
    c.question.offer.sha256.known = false;
    c.evidence.mandate.not_before_s = c.evidence.mandate.deadline_s = 0;
    c.evidence.mandate.root_version_min = 0;
    assert_int_equal(accept_judge(&c.question), AGENT_REASON_NONE);
    good(&c)->running.release_counter = 0;
    c.running.version[0] = '\0';
    c.facts.bases_count = 0;
    assert_int_equal(accept_judge(&c.question), AGENT_REASON_NONE);
    memcpy(good(&c)->running.sha256, image, DIGEST_SIZE); /* runs already: no step back */
    memcpy(c.running.version, "2.0", 4);
    c.running.release_counter = 12;
    c.facts.bases_count = 0;
    assert_int_equal(accept_judge(&c.question), AGENT_REASON_NONE);
}

static void test_a_base_may_be_named_by_digest(void **state)
{
    struct case_of c;

    (void)state;
    good(&c)->facts.bases_count = 1;
    c.facts.bases[0].by_digest = true;
    memcpy(c.facts.bases[0].sha256, c.running.sha256, DIGEST_SIZE);
    assert_int_equal(accept_judge(&c.question), AGENT_REASON_NONE);
    memcpy(c.facts.bases[0].sha256, other_image, DIGEST_SIZE);
    assert_int_equal(accept_judge(&c.question), AGENT_REASON_BASE);
}

/* A clock before 1970 is 1970. */
static void test_no_time_at_all(void **state)
{
    struct case_of c;

    (void)state;
    good(&c)->evidence.now.ms = -5;
    c.evidence.mandate.not_before_s = 0;
    assert_int_equal(accept_judge(&c.question), AGENT_REASON_NONE);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_good_question_is_accepted),
        cmocka_unit_test(test_each_condition_alone),
        cmocka_unit_test(test_each_condition_has_a_row),
        cmocka_unit_test(test_the_order_is_fixed),
        cmocka_unit_test(test_reasons_have_errors_and_names),
        cmocka_unit_test(test_the_mandate_in_hand_may_come_again),
        cmocka_unit_test(test_another_key_starts_afresh),
        cmocka_unit_test(test_going_back_needs_no_base_and_no_newer_version),
        cmocka_unit_test(test_grace_is_granted_to_its_last_second),
        cmocka_unit_test(test_what_the_device_does_not_know_is_no_obstacle),
        cmocka_unit_test(test_a_base_may_be_named_by_digest),
        cmocka_unit_test(test_no_time_at_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
