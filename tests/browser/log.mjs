// A log is followed, paused and filtered; a rotation loses nothing of it.
import { act, assert, at, end, look, shop } from "./chromium.mjs";

await look({}, async (page) => {
  await page.goto(at(shop("queue")));
  await page.getByText("Followed").waitFor();
  const line = (text) => page.locator("#log").getByText(text);
  await act("say", "order 17 <b>");
  await line("order 17 <b>").waitFor();

  await page.getByRole("button", { name: "Pause" }).click();
  await act("say", "order 18");
  await page.getByText("Paused: 1 waiting").waitFor();
  assert.equal(await page.getByText("order 18").count(), 0);
  await page.getByRole("button", { name: "Pause" }).click();
  await line("order 18").waitFor();

  await act("rotate");
  await act("say", "order 19 after the rotation");
  await line("order 19 after the rotation").waitFor();
  assert.equal(await page.locator("#log").getByText("order 18").count(), 1, "what was shown stays");
  await act("rotate");
  await act("say", "order 20");
  await line("order 20").waitFor();

  await page.getByLabel("Lines with").fill("20|21");
  await page.keyboard.press("Enter");
  await line("order 18").waitFor({ state: "detached" });
  await line("order 20").waitFor();
  await act("say", "order 21");
  await act("say", "order 22");
  await act("say", "order 2100");
  await line("order 2100").waitFor();
  assert.equal(await page.getByText("order 22").count(), 0);
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("link", { name: "Download" }).click()]);
  const chunks = await (await download.createReadStream()).toArray();
  assert.match(Buffer.concat(chunks).toString(), /^(order (20|21)\d*\n)+$/, "what is shown is downloaded");
});

// A line is a link to itself, also when the log was rotated since.
await look({}, async (page) => {
  await page.goto(at(shop("queue")));
  await page.getByText("Followed").waitFor();
  await act("say", "order 23 is looked at");
  const line = page.locator("#log > span", { hasText: "order 23 is looked at" });
  await line.getByRole("link", { name: "Link to this line" }).click();
  const marked = page.locator("#at", { hasText: "order 23 is looked at" });
  await marked.waitFor();
  assert.match(page.url(), /\?at=\d+-[0-9a-f]{16}#at$/);
  await page.waitForFunction(() => {
    const box = document.getElementById("at").getBoundingClientRect();
    return box.top >= 0 && box.bottom <= innerHeight;
  });
  await act("rotate");
  await page.reload();
  await marked.waitFor();
  await page.getByRole("link", { name: "The end of the log" }).click();
  await page.getByText("Followed").waitFor();
});

// What hosts write is text, however it looks.
await look({}, async (page) => {
  await page.goto(at(shop("queue")));
  await page.getByText("Followed").waitFor();
  const markup = "</pre><script>alert(1)</script><img src=x onerror=alert(2)>";
  await act("say", markup);
  await page.getByText(markup).waitFor();
  await page.reload();
  await page.getByText(markup).waitFor();
  assert.equal(await page.locator("img").count(), 0);
});
await end();
