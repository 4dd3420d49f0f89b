#include "store/figures.h"

enum err store_figures_rollouts(struct db *db, int64_t tenant, int64_t counts[ROLLOUT_STATE_COUNT])
{
    int64_t found[ROLLOUT_STATE_COUNT] = {0};
    bool row;

    db_query(db, "SELECT state, count(*) FROM rollout WHERE tenant = $1 GROUP BY state");
    db_bind_int(db, tenant);
    for (;;) {
        int64_t state;

        TRY(db_step(db, &row));
        if (!row)
            break;
        state = db_column_int(db, 0);
        if (state >= 0 && state < ROLLOUT_STATE_COUNT)
            found[state] = db_column_int(db, 1);
    }
    for (size_t i = 0; i < ROLLOUT_STATE_COUNT; i++)
        counts[i] = found[i];
    return ERR_OK;
}
