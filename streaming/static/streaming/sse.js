// Bytes of a stream into messages as an EventSource would dispatch them.
//
// The parser is eventsource-parser; here is what it leaves to its user: UTF-8 across chunks, the byte order mark, the
// type "message", and a carriage return at a chunk's end, which ends its line at once (the parser waits for what
// follows). One difference to a browser is left: an `id:` in a block without data is not seen. Such an id costs nothing
// but a longer way when resuming, and with `heartbeat=event` our server sends none.

import { createParser } from "./vendor/eventsource-parser-3.1.1/index.js";

export class Messages {
  #decoder = new TextDecoder();
  #afterReturn = false;
  #parser;

  /** `onMessage` gets {type, data, id}; `id` is null where the block had none. */
  constructor(onMessage) {
    this.#parser = createParser({
      onEvent: ({ event, data, id }) => onMessage({ type: event ?? "message", data, id: id ?? null }),
    });
  }

  push(bytes) {
    const text = this.#decoder.decode(bytes, { stream: true });
    if (text === "") return;
    const rest = this.#afterReturn && text.startsWith("\n") ? text.slice(1) : text;
    this.#afterReturn = rest.endsWith("\r");
    this.#parser.feed(rest.replace(/\r\n?/g, "\n"));
  }
}
