// pg-boss; the order's options are those of its `work`, but `listen`, which turns LISTEN/NOTIFY on.
import { PgBoss } from "pg-boss";
import { main } from "./harness.mjs";

const FILL_AT_ONCE = 10000;

await main(async (order, report) => {
  const { listen = false, ...options } = order.options ?? {};
  const boss = new PgBoss({ ...order.url, useListenNotify: listen });
  boss.on("error", console.error);
  await boss.start();
  for (const queue of ["nothing", "timed"]) {
    await boss.createQueue(queue);
    await boss.updateQueue(queue, { notify: listen });
  }
  return {
    enqueue: (at) => boss.send("timed", { at }),
    fill: async (jobs) => {
      for (let left = jobs; left > 0; left -= FILL_AT_ONCE) {
        const count = Math.min(left, FILL_AT_ONCE);
        await boss.insert("nothing", Array.from({ length: count }, () => ({ data: {} })));
      }
    },
    work: async () => {
      await boss.work("nothing", options, async (jobs) => jobs.forEach(() => report.ran()));
      await boss.work("timed", options, async (jobs) => jobs.forEach((job) => report.began(job.data.at)));
    },
    close: () => boss.stop({ graceful: true }),
  };
});
