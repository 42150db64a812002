// The inside of a contender's process on Node: its order, the handlers' reports, and what it says (see orders.py).
// process.hrtime is the monotonic clock that Python's time.monotonic reads too.
import { writeFileSync } from "node:fs";
import { createInterface } from "node:readline";

const input = createInterface({ input: process.stdin });
const lines = input[Symbol.asyncIterator]();

export const seconds = () => Number(process.hrtime.bigint()) / 1e9;
export const say = (line) => process.stdout.write(`${line}\n`);
const sleep = (wanted) => new Promise((resolve) => setTimeout(resolve, Math.max(0, wanted * 1000)));
const heard = async () => (await lines.next()).value;

class Report {
  constructor({ jobs, timed }) {
    this.left = jobs;
    this.timed = timed;
    this.begun = !jobs;
    this.latencies = [];
  }

  ran() {
    if (!this.begun) {
      this.begun = true;
      say(`first ${seconds()}`);
    }
    this.left -= 1;
    if (this.left === 0) say(`all ${seconds()}`);
  }

  began(at) {
    this.latencies.push([at, seconds() - at]);
    if (this.latencies.length === this.timed) say("timed");
  }
}

async function onSchedule(order, enqueue) {
  say("ready");
  const start = Number(await heard());
  const enqueuing = [];
  for (const offset of order.offsets) {
    await sleep(start + offset - seconds());
    enqueuing.push(enqueue(start + offset));
  }
  await Promise.all(enqueuing);
  say("sent");
}

// open(order, report) gives {enqueue(at), fill(jobs), work(), close()}.
export async function main(open) {
  const order = JSON.parse(await heard());
  order.url = JSON.parse(order.url);
  const report = new Report(order);
  const contender = await open(order, report);
  if (order.do === "work") {
    say("ready");
    await contender.work();
    await heard();
  } else if (order.do === "send") {
    await onSchedule(order, contender.enqueue);
    await heard();
  } else {
    await contender.fill(order.jobs);
    say("ready");
    await heard();
  }
  await contender.close();
  if (order.do === "work") writeFileSync(order.answer_file, JSON.stringify({ latencies: report.latencies }));
  process.stdout.write("done\n", () => process.exit(0));
}
