// By keyboard alone: what is in focus is seen, stays so while the page changes, and nothing holds it.
import { act, assert, at, end, live, look, shop } from "./chromium.mjs";

const focused = (page) => page.evaluate(() => {
  const { activeElement: element } = document;
  return element.labels?.[0]?.textContent ?? element.getAttribute("aria-label") ?? element.textContent;
});

// Presses Tab until the page is left; returns what was in focus.
const walk = async (page) => {
  const all = [];
  for (;;) {
    await page.keyboard.press("Tab");
    const where = await page.evaluate(() => {
      const { activeElement: element } = document;
      if (element === document.body) return null;
      const style = getComputedStyle(element);
      const box = element.getBoundingClientRect();
      const seen = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2 && box.bottom > 0 && box.top < innerHeight;
      return { seen, tag: element.tagName };
    });
    if (!where) return all;
    const name = await focused(page);
    assert.ok(where.seen, `the focus is not seen on ${name}`);
    all.push(name);
    assert.ok(all.length < 100, `the focus does not leave the page: ${all}`);
  }
};

for (const path of ["/", "/hosts", "/hosts/web1", "/history", shop("queue")]) {
  await look({}, async (page) => {
    await page.goto(at(path));
    await live(page);
    const all = await walk(page);
    assert.equal(all[0], "Skip to the content", path);
    for (const name of ["Programs", "Hosts", "History"]) assert.ok(all.includes(name), `${name} on ${path}: ${all}`);
  });
}

await look({}, async (page) => {
  await page.goto(at("/"));
  await live(page);
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await page.keyboard.press("Tab");
  assert.equal(await focused(page), "Filter", "the content begins with it");
  const link = page.getByRole("link", { name: "scheduler" });
  await link.focus();
  await act("stop", "mail");
  await page.getByText("was stopped by hand").waitFor();
  assert.equal(await focused(page), "scheduler");
  assert.equal(await page.locator("tbody th").first().textContent(), "mail", "what is wrong comes first");
  await act("start", "mail");
  await page.getByText("all as wanted").waitFor();
  assert.equal(await focused(page), "scheduler");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "scheduler, shop.example on web1" }).waitFor();
});

// What is typed is looked for at once, and is in the address.
await look({}, async (page) => {
  await page.goto(at("/"));
  await page.getByLabel("Filter").pressSequentially("mail");
  await page.getByRole("link", { name: "queue" }).waitFor({ state: "detached" });
  assert.match(page.url(), /\?q=mail$/);
  assert.equal(await focused(page), "Filter");
});
await end();
