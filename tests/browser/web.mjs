// Looks at the web view as people do. Told by the test that has started it:
//   node web.mjs LINK DO PICTURES
// DO is a program that does something on the host: `DO stop`, `DO start`, `DO say TEXT`, `DO end`. PICTURES is a
// folder, or empty.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { chromium } from "playwright-core";

const [link, program, pictures] = process.argv.slice(2);
const act = (...words) => execFileSync(program, words);
const axe = readFileSync(new URL("node_modules/axe-core/axe.min.js", import.meta.url), "utf8");
const at = (path) => new URL(path, link).href;
const queue = "/hosts/here/sites/shop.example/programs/queue";
const pages = [
  "/", "/?show=problems", "/sites", "/sites/shop.example", "/hosts", "/hosts/here", "/hosts/here/sites/shop.example", "/history",
  queue, "/nowhere",
];

const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
let state;
// `known`: what the browser says where it is what the check is about.
const look = async (options, check, known = ["404"]) => {
  const context = await browser.newContext({ viewport: { width: 1200, height: 800 }, storageState: state, ...options });
  const page = await context.newPage();
  const complaints = [];
  page.on("console", (said) => {
    if (said.type() === "error" && !known.some((one) => said.text().includes(one))) complaints.push(said.text());
  });
  page.on("pageerror", (error) => complaints.push(error.message));
  await check(page, context);
  assert.deepEqual(complaints, [], "the browser complains");
  await context.close();
};
const violations = async (page, context) => {
  // Past the policy of the page, which would not let it in.
  const session = await context.newCDPSession(page);
  await session.send("Runtime.evaluate", { expression: axe });
  const expression = "axe.run().then((found) => found.violations.map((one) => [one.id, one.nodes.map((node) => node.html)]))";
  const found = await session.send("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true });
  return found.result.value;
};

// The link signs in, once.
await look({}, async (page, context) => {
  await page.goto(link);
  await page.getByRole("heading", { name: "Programs" }).waitFor();
  state = await context.storageState();
  assert.equal(await page.evaluate(() => document.cookie), "", "no script sees the cookie");
});
await look({ storageState: undefined }, async (page) => {
  const answer = await page.goto(link);
  assert.equal(answer.status(), 403);
}, ["403"]);

// Every page, in light and dark, on a desk and a phone.
for (const [colorScheme, width] of [["light", 1200], ["dark", 1200], ["light", 360], ["dark", 360]]) {
  await look({ colorScheme, viewport: { width, height: 800 } }, async (page, context) => {
    for (const path of pages) {
      await page.goto(at(path));
      if (path === queue) await page.getByText("Followed").waitFor();
      assert.deepEqual(await violations(page, context), [], `axe on ${path}, ${colorScheme}, ${width}`);
      const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(over <= 0, `${path} is ${over} pixels wider than ${width}`);
    }
  });
}

// Without a script.
await look({ javaScriptEnabled: false }, async (page) => {
  await page.goto(at("/"));
  await page.getByText("RUNNING x2").waitFor();
  await page.getByLabel("Filter").fill("mail");
  await page.getByRole("button", { name: "Filter" }).click();
  await page.waitForURL(/q=mail/);
  assert.equal(await page.getByRole("link", { name: "queue" }).count(), 0);
  await page.getByRole("link", { name: "mail" }).click();
  await page.getByRole("heading", { name: "Settings" }).waitFor();
  await page.goto(at(queue));
  await page.getByText("a line of the log").waitFor();
});

// By keyboard alone, and what is in focus stays so while the page changes.
await look({}, async (page) => {
  await page.goto(at("/"));
  await page.getByText("Live", { exact: true }).waitFor();
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Skip to the content");
  const link = page.getByRole("link", { name: "queue" });
  await link.focus();
  act("stop");
  await page.getByText("was stopped by hand").waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "queue");
  const first = await page.locator("tbody th").first().textContent();
  assert.equal(first, "mail", "what is wrong comes first");
  act("start");
  await page.getByText("all as wanted").waitFor();
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "queue, shop.example on here" }).waitFor();
});

// What is typed is looked for at once, and is in the address.
await look({}, async (page) => {
  await page.goto(at("/"));
  await page.getByLabel("Filter").pressSequentially("mail");
  await page.getByRole("link", { name: "queue" }).waitFor({ state: "detached" });
  assert.match(page.url(), /\?q=mail$/);
  assert.equal(await page.evaluate(() => document.activeElement.id), "q");
});

// A log is followed, paused and filtered.
await look({}, async (page) => {
  await page.goto(at(queue));
  await page.getByText("Followed").waitFor();
  // Each of the two processes says it.
  const line = (text) => page.getByText(text).nth(1);
  act("say", "order 17 <b>");
  await line("order 17 <b>").waitFor();
  await page.getByRole("button", { name: "Pause" }).click();
  act("say", "order 18");
  await page.getByText("Paused: 2 waiting").waitFor();
  assert.equal(await page.getByText("order 18").count(), 0);
  await page.getByRole("button", { name: "Pause" }).click();
  await line("order 18").waitFor();
  await page.getByLabel("Lines with").fill("17");
  await page.keyboard.press("Enter");
  await line("order 18").waitFor({ state: "detached" });
  await line("order 17").waitFor();
  act("say", "order 1799");
  await line("order 1799").waitFor();
  assert.equal(await page.getByText("order 18").count(), 0);
});

if (pictures) {
  act("stop");
  for (const [name, path, colorScheme] of [["programs", "/", "light"], ["program", queue, "dark"]]) {
    await look({ colorScheme, viewport: { width: 1000, height: 560 } }, async (page) => {
      await page.goto(at(path));
      await page.getByText("Live", { exact: true }).waitFor();
      if (name === "programs") await page.getByText("was stopped by hand").waitFor();
      await page.screenshot({ path: `${pictures}/web-${name}-${colorScheme}.png` });
    });
  }
}

// Who is gone is missed.
await look({}, async (page) => {
  await page.goto(at("/"));
  await page.getByText("Live", { exact: true }).waitFor();
  act("end");
  await page.getByText("No connection since").waitFor();
}, ["ERR_"]);
await browser.close();
