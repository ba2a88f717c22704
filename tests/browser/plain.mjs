// Without JavaScript: everything can be read, filtered and downloaded, and pages load themselves again.
import { act, assert, at, end, look, shop } from "./chromium.mjs";

await look({ javaScriptEnabled: false }, async (page) => {
  await page.goto(at("/"));
  await page.getByText("RUNNING x2").waitFor();
  await page.getByLabel("Filter").fill("mail");
  await page.getByRole("button", { name: "Filter" }).click();
  await page.waitForURL(/q=mail/);
  assert.equal(await page.getByRole("link", { name: "queue" }).count(), 0);
  await page.getByRole("link", { name: "mail" }).click();
  await page.getByRole("heading", { name: "Settings" }).waitFor();
  for (const [section, heading] of [["Hosts", "Hosts"], ["History", "History"], ["Programs", "Programs"]]) {
    await page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name: section }).click();
    await page.getByRole("heading", { name: heading, level: 1 }).waitFor();
  }
  // What has changed comes without a click.
  await act("stop", "mail");
  await page.getByText("was stopped by hand").waitFor();
});

await look({ javaScriptEnabled: false }, async (page) => {
  await act("say", "order 17 <b>");
  await act("say", "order 18");
  await page.goto(at(shop("queue")));
  // The log is read after it was asked for, and is on the page that comes by itself.
  await page.getByText("order 18").first().waitFor();
  assert.equal(await page.getByRole("button", { name: "Pause" }).count(), 0, "what needs a script is not offered");
  await page.getByLabel("Lines with").fill("<b>$");
  await page.getByRole("button", { name: "Filter" }).click();
  await page.waitForURL(/grep=/);
  await page.getByText("order 17 <b>").first().waitFor();
  assert.equal(await page.getByText("order 18").count(), 0);
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("link", { name: "Download" }).click()]);
  const chunks = await (await download.createReadStream()).toArray();
  assert.equal(Buffer.concat(chunks).toString(), "order 17 <b>\n", "what is shown is downloaded");
  await page.getByLabel("Lines with").fill("(");
  await page.getByRole("button", { name: "Filter" }).click();
  await page.getByText("this is no regular expression").waitFor();
});
await end();
