// Five hundred hosts with five thousand programs, looked at by somebody who types.
import { assert, at, desk, end, live, look, phone, violations } from "./chromium.mjs";

const median = (times) => times.sort((a, b) => a - b)[times.length >> 1];

for (const viewport of [desk, phone]) {
  await look({ viewport }, async (page) => {
    const begun = Date.now();
    await page.goto(at("/"));
    await page.getByText("Page 1 of 50").waitFor();
    const opened = Date.now() - begun;
    await live(page);
    assert.deepEqual(await violations(page), []);
    const times = [];
    for (const number of [123, 7, 499, 250, 42]) {
      await page.getByLabel("Filter").fill("");
      await page.getByText("Page 1 of 50").waitFor();
      await page.getByLabel("Filter").pressSequentially(`site${number}.example`);
      const typed = Date.now();
      await page.waitForFunction(() => document.querySelectorAll("table.programs tbody").length === 10);
      times.push(Date.now() - typed);
      const sites = await page.locator("table.programs tbody tr:first-child td:nth-of-type(1)").allTextContents();
      assert.ok(sites.every((site) => site === `site${number}.example`), `${sites}`);
    }
    console.log(`${viewport.width} pixels: opened in ${opened} ms, filtered ${median(times)} ms after the last key`);
    assert.ok(median(times) < 2000, `people wait: ${times}`);
  });
}

// From page to page, and what is wrong first.
await look({}, async (page) => {
  await page.goto(at("/?show=problems"));
  await page.getByText("was given up").first().waitFor();
  await page.goto(at("/"));
  await page.getByRole("link", { name: "Next" }).click();
  await page.getByText("Page 2 of 50").waitFor();
  await page.getByRole("link", { name: "Before" }).click();
  await page.getByText("Page 1 of 50").waitFor();
  await page.goto(at("/hosts"));
  await page.getByRole("row", { name: /^web77\b/ }).waitFor();
  assert.match(await page.locator("tbody th").first().textContent(), /^web(77|400)$/, "what is wrong comes first");
});
await end();
