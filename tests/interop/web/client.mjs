/** Uses the TypeScript client in a page, and watches the frames on its WebSockets. */

import { say, wanted, withBrowser } from './browser.mjs';

// The library expects React from its page. It needs the JSX functions of React, which have no script
// of their own.
const HTML = `<!DOCTYPE html>
  <meta charset="utf-8">
  <title>The TypeScript client</title>
  <script src="/react.js"></script>
  <script src="/react-dom.js"></script>
  <script>
    const jsx = (type, { children, ...props }, key) =>
      React.createElement(type, key === undefined ? props : { ...props, key }, children);
    window.jsxRuntime = { jsx, jsxs: jsx, Fragment: React.Fragment };
  </script>
  <script src="/client.js"></script>`;

await withBrowser(
  () => HTML,
  async (page, url) => {
    const fragments = [];
    page.on('websocket', (socket) =>
      socket.on('framereceived', ({ payload }) => {
        const { properties } = JSON.parse(payload);
        if (properties?.num_fragments !== undefined) {
          fragments.push([properties.fragment, properties.num_fragments]);
        }
      }),
    );
    await page.goto(url);
    await page.evaluate((options) => {
      window.connection = window.dasf.getConnection(options);
      return window.connection.connected.then(() => {});
    }, { websocketUrl: wanted.websocket, topic: wanted.topic });

    const send = (type) =>
      page.evaluate((messageType) => {
        const message = { payload: '', properties: { messageType } };
        return connection.sendMessage(message).then(({ properties }) => properties);
      }, type);
    const request = (data) => page.evaluate((data) => connection.sendRequest(data), data);

    say({ pong: await send('ping') });
    say({ info: await page.evaluate(() => connection.getModuleInfo()) });
    say({ api_info: await page.evaluate(() => connection.getApiInfo()) });
    say({ add: await request({ func_name: 'add', a: 40 }) });
    const greet = { func_name: 'greet', name: 'ß' };
    say({ greet: await request({ class_name: 'Greeter', function: greet }) });
    say({ fragments_before: fragments.length });
    say({ echo: await request({ func_name: 'echo', data: wanted.long }) });
    say({ fragments });
    say({ fail: await request({ func_name: 'fail', msg: 'no such dataset' }) });
    say({ unknown: await request({ func_name: 'no_such_function' }) });
    say({
      slow: await page.evaluate(async () => {
        const reports = [];
        const report = ({ message }) =>
          reports.push([message.status, message.children.map(({ status }) => status)]);
        const result = await connection.sendRequest({ func_name: 'slow', n: 2 }, report);
        return { result, reports };
      }),
    });
    say({
      wide: await request({ func_name: 'echo', data: '世' }).catch((error) => error.message),
    });
  },
);
