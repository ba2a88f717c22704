// What is done from the browser: planned, confirmed, followed, taken back; and two people at once.
import { act, assert, at, end, live, look, shop, violations } from "./chromium.mjs";

const want = (settings) => act("want", settings.includes("command:") ? settings : `script: queue.sh, ${settings}`);
const DONE = "done as it was shown";
const button = (page, name) => page.getByRole("button", { name, exact: true });
// Waits for the plan, and has it done.
const confirm = async (page, yes) => {
  await page.getByText("waits for a yes").waitFor();
  await button(page, yes).click();
};

await look({}, async (page) => {
  await want("stopwaitsecs: 60, numprocs: 3");
  await page.goto(at("/"));
  await page.getByText("not as wanted").first().waitFor();
  await button(page, "Plan an apply…").click();
  await page.getByText("waits for a yes").waitFor();
  await page.getByText("numprocs 2 -> 3").waitFor();
  assert.deepEqual(await violations(page), []);
  assert.equal(await page.getByText("hunter2").count(), 0, "a secret is shown");
  await page.getByLabel("Why").fill("more for the <sale>");
  await confirm(page, "Apply this");
  await page.getByText(DONE).waitFor();
  await page.getByText("applied as revision 2").waitFor();
  assert.deepEqual(await violations(page), []);
  await page.goto(at(shop("queue")));
  await page.getByText("shop.example-queue_02").first().waitFor();
  await page.goto(at("/history"));
  await page.getByText("more for the <sale>").waitFor();

  // It is taken back from the page of the plan.
  await page.goto(at("/plans"));
  await page.getByRole("link", { name: "Apply the inventory" }).first().click();
  await button(page, "Take this run back…").click();
  await page.getByText("Takes back run").waitFor();
  await confirm(page, "Take it back");
  await page.getByText(DONE).waitFor();
  await page.goto(at(shop("queue")));
  await page.getByRole("row", { name: /queue_01/ }).waitFor();
  await page.getByRole("row", { name: /queue_02/ }).waitFor({ state: "detached" });
  await want("numprocs: 2, stopwaitsecs: 30");
});

// Restarted one at a time, stopped, started: by keyboard alone.
await look({}, async (page) => {
  const does = async (name, yes, says) => {
    await page.goto(at(shop("mail")));
    await live(page);
    await button(page, name).focus();
    await page.keyboard.press("Enter");
    await page.getByText("waits for a yes").waitFor();
    await button(page, yes).focus();
    await page.keyboard.press("Enter");
    await page.getByText(DONE).waitFor();
    await page.goto(at(shop("mail")));
    await page.getByText(says).first().waitFor();
  };
  await does("Restart one at a time…", "Restart", "as wanted");
  await does("Stop…", "Stop", "was stopped by hand");
  await does("Start…", "Start", "as wanted");
});

// Progress comes without a click, host by host, and can be interrupted.
await look({}, async (page) => {
  await want("stopwaitsecs: 45, numprocs: 2");
  await page.goto(at("/"));
  await button(page, "Plan an apply…").click();
  await confirm(page, "Apply this");
  await page.getByRole("row", { name: /^web1/ }).getByText("done").waitFor();
  await page.getByText(DONE).waitFor();
});

// Two people look at the same plan: the second one's is not what would be done any more.
await look({}, async (first) => {
  await want("stopwaitsecs: 20, numprocs: 2");
  await look({}, async (second) => {
    for (const page of [first, second]) {
      await page.goto(at("/sites/shop.example"));
      await button(page, "Plan an apply…").click();
      await page.getByText("waits for a yes").waitFor();
    }
    await confirm(first, "Apply this");
    await first.getByText(DONE).waitFor();
    await confirm(second, "Apply this");
    await second.getByText("the inventory or the host has changed since").first().waitFor();
    await second.getByText("failed, with exit status 1").waitFor();
  });
});

// A failure is put back, and told with the end of the log.
await look({}, async (page) => {
  await want("stopwaitsecs: 20, numprocs: 2, startsecs: 1, command: 'echo no <b>database</b>'");
  await page.goto(at("/"));
  await button(page, "Plan an apply…").click();
  await confirm(page, "Apply this");
  await page.getByText(/failed, with exit status/).waitFor();
  await page.getByLabel("What was done").getByText("no <b>database</b>").first().waitFor();
  await page.getByText("rolled back").first().waitFor();
  assert.deepEqual(await violations(page), []);
});

// Without a script the page loads itself again until it is over.
await look({ javaScriptEnabled: false }, async (page) => {
  await want("numprocs: 2, stopwaitsecs: 30");
  await page.goto(at(shop("queue")));
  await button(page, "Plan an apply…").click();
  await confirm(page, "Apply this");
  await page.getByText(DONE).waitFor();
});
await end();
