// Every page, in light and dark, on a desk and on a phone: axe, and nothing that is wider than the window.
import { act, assert, at, desk, end, live, look, phone, shop, tooWide, violations } from "./chromium.mjs";

const pages = [
  "/", "/?show=problems", "/?q=nothing+is+like+that", "/sites", "/sites/shop.example", "/hosts", "/hosts/web1", "/hosts/db1",
  "/hosts/web1/sites/shop.example", "/history", shop("queue"),
  shop("mail"), "/nowhere", "/sign-in",
];

// One of each state: stopped by hand, FATAL, silent.
await act("stop", "mail");
await act("crash", "reports");
await act("leave", "db1");
await look({}, async (page) => {
  await page.goto(at("/"));
  for (const text of ["was stopped by hand", "FATAL", "has not answered since"]) {
    await page.getByText(text).first().waitFor();
  }
});

// A run, and a line of a log.
await look({}, async (page) => {
  await page.goto(at("/history"));
  pages.push(await page.locator(".runs h3 a").first().getAttribute("href"));
  await page.goto(at(shop("queue")));
  await page.getByText("Followed").waitFor();
  await act("say", "a line that is looked at");
  pages.push(shop("queue") + await page.locator("#log a.at").first().getAttribute("href"));
});

for (const colorScheme of ["light", "dark"]) {
  for (const viewport of [desk, phone]) {
    await look({ colorScheme, viewport }, async (page) => {
      for (const path of pages) {
        const where = `${path}, ${colorScheme}, ${viewport.width} pixels`;
        await page.goto(at(path));
        if (path === shop("queue")) await page.getByText("Followed").waitFor();
        assert.deepEqual(await violations(page), [], `axe on ${where}`);
        assert.ok(await tooWide(page) <= 0, `${where}: is wider than the window`);
        assert.equal(await page.locator("h1").count(), 1, `${where}: one heading says what it is`);
        assert.notEqual(await page.title(), "", where);
      }
    }, ["404", "403"]);
  }
}

// The cookie is nobody's but the browser's, and the link was used.
await look({}, async (page) => {
  await page.goto(at("/"));
  await live(page);
  assert.equal(await page.evaluate(() => document.cookie), "", "no script sees the cookie");
});
await end();
