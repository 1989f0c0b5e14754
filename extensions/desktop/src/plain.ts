// Before noVNC: it tries the browser's H.264 decoder before anything else, and the page waits. TigerVNC sends no H.264.

Reflect.deleteProperty(globalThis, "VideoDecoder");

export {};
