/* Tenants share a process and nothing else. */
#include <stdlib.h>

#include "app/app.h"
#include "base/check.h"
#include "store/account.h"

#define TENANTS_AT_ONCE 64u /* read from the database at a time */

struct app_tenant *app_tenant(struct app *app, int64_t id)
{
    struct app_tenant *more;

    for (size_t i = 0; i < app->tenants_count; i++) {
        if (app->tenants[i].id == id)
            return &app->tenants[i];
    }
    more = realloc(app->tenants, (app->tenants_count + 1) * sizeof *more);
    CHECK(more);
    app->tenants = more;
    more[app->tenants_count] =
        (struct app_tenant){.id = id, .shelf_stale = true, .policy_stale = true};
    return &more[app->tenants_count++];
}

enum err app_find_tenants(struct app *app)
{
    int64_t ids[TENANTS_AT_ONCE], after = 0;
    uint32_t count = TENANTS_AT_ONCE;

    while (count == TENANTS_AT_ONCE) {
        TRY(store_tenant_list(app->db, after, TENANTS_AT_ONCE, ids, &count));
        for (uint32_t i = 0; i < count; i++) {
            after = ids[i];
            (void)app_tenant(app, after); /* remembered */
        }
    }
    return ERR_OK;
}

void app_forget_tenants(struct app *app)
{
    for (size_t i = 0; i < app->tenants_count; i++)
        free(app->tenants[i].policy);
    free(app->tenants);
    app->tenants = NULL;
    app->tenants_count = 0;
}
