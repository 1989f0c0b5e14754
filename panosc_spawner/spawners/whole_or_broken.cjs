// An answer that breaks off behind the proxy breaks off before it, too: without this, the proxy leaves the reader waiting for the
// rest for ever. Loaded into the hub's proxy (node --require).
"use strict";
const { ServerResponse } = require("node:http");
const { IncomingMessage } = require("node:http");

const plain = ServerResponse.prototype.emit;
ServerResponse.prototype.emit = function (event, source, ...more) {
  if (event === "pipe" && source instanceof IncomingMessage) {
    source.once("close", () => {
      if (!source.complete) this.destroy();
    });
  }
  return plain.call(this, event, source, ...more);
};
