// What each script beside this one begins with: a Chromium that has signed in, and whatever it complains of is an
// error. Told by the test that has started it (tests/it/web/browser.rs):
//   node SCRIPT LINK PICTURES
// PICTURES is a folder, or empty. What is to happen on the hosts is asked of that test: a line on standard output
// each, which is answered by one on standard input.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const [link, pictures] = process.argv.slice(2);
const axe = readFileSync(new URL("node_modules/axe-core/axe.min.js", import.meta.url), "utf8");
const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

export { assert, link, pictures };
export const at = (path) => new URL(path, link).href;
export const shop = (program) => `/hosts/web1/sites/shop.example/programs/${program}`;
export const desk = { width: 1200, height: 800 };
export const phone = { width: 360, height: 740 };

// Has the test do something: `act("stop", "mail")`.
export const act = async (...words) => {
  process.stdout.write(`act ${JSON.stringify(words)}\n`);
  const { value } = await answers.next();
  assert.equal(value, "done", `the test cannot ${words.join(" ")}`);
};

const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
let state;

// Opens a browser window for `check`. `known`: complaints that the check is about.
export const look = async (options, check, known = []) => {
  const context = await browser.newContext({ viewport: desk, storageState: state, ...options });
  const complaints = [];
  const complain = (text) => { if (!known.some((one) => text.includes(one))) complaints.push(text); };
  context.on("page", (page) => {
    // What the policy forbids is an error of the console, too.
    page.on("console", (said) => { if (["error", "warning"].includes(said.type())) complain(said.text()); });
    page.on("pageerror", (error) => complain(error.message));
    page.on("dialog", (dialog) => { complain(`a dialog: ${dialog.message()}`); dialog.dismiss(); });
  });
  context.on("request", (request) => {
    if (new URL(request.url()).origin !== new URL(link).origin) complain(`${request.url()} is loaded from elsewhere`);
  });
  const page = await context.newPage();
  try {
    await check(page, context);
  } catch (error) {
    console.error(`${page.url()} says:\n${await page.locator("body").innerText().catch(() => "nothing")}`);
    throw error;
  }
  assert.deepEqual(complaints, [], "the browser complains");
  await context.close();
};

// What axe finds on a page, each with the HTML that it is about.
export const violations = async (page) => {
  // Past the policy of the page, which would not let it in.
  const session = await page.context().newCDPSession(page);
  await session.send("Runtime.evaluate", { expression: axe });
  const expression = "axe.run().then((found) => found.violations.map((one) => [one.id, one.nodes.map((node) => node.html)]))";
  const found = await session.send("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true });
  return found.result.value;
};

// How many pixels of a page are to the right of its window.
export const tooWide = (page) => page.evaluate(() => document.documentElement.scrollWidth - innerWidth);

// Waits until the page is told of changes.
export const live = (page) => page.getByText("Live", { exact: true }).waitFor();

// Draws a picture of the guide, where pictures are wanted.
export const picture = async (page, name) => {
  if (pictures) await page.screenshot({ path: `${pictures}/web-${name}.png` });
};

export const end = async () => {
  await browser.close();
  process.stdin.destroy();
};

// The link signs in, once.
await look({}, async (page, context) => {
  await page.goto(link);
  await page.getByRole("heading", { name: "Programs" }).waitFor();
  state = await context.storageState();
});
