// The pictures of the guide: UPDATE_PICTURES=1 make browser.
import { act, at, end, live, look, phone, picture, shop } from "./chromium.mjs";

const small = { width: 1000, height: 600 };
const lines = [
  "connected to amqp://queue.internal", "order 4711 charged", "order 4712 charged", "order 4713: card declined, told the customer",
  "order 4714 charged", "receipt for order 4714 sent",
];
for (const line of lines) await act("say", line);
await act("stop", "mail");
await act("crash", "reports");
await act("leave", "db1");
await look({ viewport: small }, async (page) => {
  await page.goto(at("/"));
  for (const text of ["was stopped by hand", "FATAL", "has not answered since"]) await page.getByText(text).first().waitFor();
  await live(page);
  await picture(page, "programs-light");
  await page.goto(at("/hosts"));
  await live(page);
  await picture(page, "hosts-light");
  await page.goto(at("/history"));
  await live(page);
  await picture(page, "history-light");
});
await look({ viewport: small, colorScheme: "dark" }, async (page) => {
  await page.goto(at(shop("queue")));
  await page.getByText("receipt for order 4714 sent").waitFor();
  await live(page);
  await picture(page, "program-dark");
});
await look({ viewport: phone, deviceScaleFactor: 2 }, async (page) => {
  await page.goto(at("/"));
  await live(page);
  await picture(page, "phone-light");
});
await end();
