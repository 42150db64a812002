// graphile-worker, run as a library; its options come with the order, as its preset's `worker` takes them.
import { makeWorkerUtils, run, Logger } from "graphile-worker";
import pg from "pg";
import { main } from "./harness.mjs";

const FILL_AT_ONCE = 10000;
const logger = new Logger(() => (level, message) => {
  if (level === "error") console.error(message);
});

await main(async (order, report) => {
  const pgPool = new pg.Pool({ ...order.url, max: order.options?.maxPoolSize ?? 10 });
  const utils = await makeWorkerUtils({ pgPool, logger });
  await utils.migrate();
  let runner;
  return {
    enqueue: (at) => utils.addJob("timed", { at }),
    fill: async (jobs) => {
      for (let left = jobs; left > 0; left -= FILL_AT_ONCE) {
        const count = Math.min(left, FILL_AT_ONCE);
        await utils.addJobs(Array.from({ length: count }, () => ({ identifier: "nothing", payload: {} })));
      }
    },
    work: async () => {
      runner = await run({
        preset: { worker: { ...order.options, logger } },
        pgPool,
        noHandleSignals: true,
        parsedCronItems: [],
        taskList: {
          nothing: async () => report.ran(),
          timed: async ({ at }) => report.began(at),
        },
      });
    },
    close: async () => {
      await runner?.stop();
      await utils.release();
      await pgPool.end();
    },
  };
});
