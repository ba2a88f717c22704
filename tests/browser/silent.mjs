// A host that dies is missed with the time, and comes back by itself; so is the web view.
import { act, assert, at, end, live, look } from "./chromium.mjs";

await look({}, async (page) => {
  await page.goto(at("/"));
  await live(page);
  await act("leave", "db1");
  await page.getByText(/db1 has not answered since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC/).waitFor();
  await page.getByText("1 silent host").waitFor();
  // What it had said last is still there, and those that answer go on.
  const imports = page.getByRole("row", { name: /^imports/ });
  await imports.getByText("silent").waitFor();
  await act("stop", "mail");
  await page.getByText("was stopped by hand").waitFor();
  const names = await page.locator("tbody th").allTextContents();
  assert.deepEqual(names.slice(0, 2).sort(), ["imports", "mail"], `what is wrong comes first: ${names}`);
  await page.goto(at("/hosts"));
  await page.getByRole("row", { name: /^db1/ }).getByText(/silent|not/).first().waitFor();
  await page.goto(at("/hosts/db1"));
  const since = page.getByText(/^silent since \d{4}-\d\d-\d\d/);
  await since.waitFor();
  await act("come back", "db1");
  await since.waitFor({ state: "detached" });
  await page.goto(at("/"));
  await page.getByText("1 not as wanted").waitFor();
  assert.equal(await page.getByText("silent").count(), 0);
  await act("start", "mail");
  await page.getByText("all as wanted").waitFor();
});

// Who is gone is missed.
await look({}, async (page) => {
  await page.goto(at("/"));
  await live(page);
  await act("end");
  await page.getByText(/No connection since \d/).waitFor();
}, ["ERR_"]);
await end();
