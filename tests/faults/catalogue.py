"""Every scenario by its name."""

from __future__ import annotations

from tests.faults import churn, clocks, database, headline, layer, load, rolling, sequencers, soak, storm
from tests.faults.scenario import Scenario

SCENARIOS: dict[str, Scenario] = {
    "storm": storm.storm,
    "bursts": storm.bursts,
    "headline": headline.headline,
    "headline-daphne": headline.headline_daphne,
    "headline-core": headline.headline_core,
    "redis-frozen": layer.redis_frozen,
    "redis-frozen-core": layer.redis_frozen_core,
    "flushall": layer.flushall,
    "flushall-pubsub": layer.flushall_pubsub,
    "no-redis-at-boot": layer.no_redis_at_boot,
    "no-redis-at-boot-core": layer.no_redis_at_boot_core,
    "postgres-restarted": database.postgres_restarted,
    "database-restored": database.database_restored,
    "database-overtaken": database.database_overtaken,
    "trimmed": database.trimmed,
    "rolling-restart": rolling.rolling_restart,
    "rolling-restart-daphne": rolling.rolling_restart_daphne,
    "rolling-kill": rolling.rolling_kill,
    "clocks-apart": clocks.clocks_apart,
    "sequencers-killed": sequencers.sequencers_killed,
    "sequencer-frozen": sequencers.sequencer_frozen,
    "soak": soak.soak,
    "load-live": load.live,
    "load-slow-readers": load.slow_readers,
    "load-dropped-at-once": load.dropped_at_once,
    "load-far-behind": load.far_behind,
    "load-idle": load.idle,
    "load-churn": churn.churn,
}

SHORT = """
    headline redis-frozen postgres-restarted database-overtaken trimmed rolling-restart sequencers-killed
    """.split()
"""What runs with the ordinary suite, in its short form: two minutes and a half."""

FULL = [name for name in SCENARIOS if name != "soak" and not name.startswith("load-")]
