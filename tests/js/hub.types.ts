// A page in TypeScript: compiled by tests/run, never run.
import { createHub, createNotifier, createTelemetry, healthWords } from "../../streaming/static/streaming/hub.js";
import type { Health, StreamEvent } from "../../streaming/static/streaming/hub.js";

const hub = createHub({ url: "/v1/stream", auth: { token: async () => ({ token: "t", expiresAt: new Date() }) }, types: ["a"], fallback: { every: 1_000 } });
const end: () => void = hub.subscribe<{ headline: string }>("change.detected", ({ data, news }) => news && data.headline.length, { onFresh: () => {} });
hub.subscribe(["a", "b"], { projectId: "prj_1", sectionId: undefined }, (event: StreamEvent) => event.id);
hub.onHealth((health: Health, before) => healthWords(health, { now: Date.now() }) + before.status);
hub.useStream(false);
hub.start();
createHub({ url: "/v1/stream", auth: { ticket: true }, fallback: false, share: "usr_1/org_1", stream: true }).stop("enough");
createTelemetry().watch(hub);
const isShown: boolean = createNotifier().show("P1", { tag: "chg_1" });
end();

// @ts-expect-error a hub is told where its stream is
createHub({});
// @ts-expect-error health is read-only
hub.health.status = "healthy";
// @ts-expect-error there are three ways in
createHub({ url: "/v1/stream", auth: { password: "…" } });
export { isShown };
