// Runs in the page before everything else. Notes when WebGL has drawn what was uploaded: textures with more than PIXELS pixels,
// buffers with more than POINTS_BYTES bytes. A pixel is read back two frames later, so that the drawing has really been done.
(() => {
  const acted = {};
  const painted = [];
  window.__paints = {
    acted,
    painted,
    since: what => painted.filter(time => time > (acted[what] ?? Infinity)).map(time => time - acted[what])
  };
  for (const what of ['dblclick', 'keydown']) {
    window.addEventListener(what, () => (acted[what] = performance.now()), { capture: true });
  }
  const wrap = (prototype, name, before, after) => {
    const original = prototype[name];
    if (!original) {
      return;
    }
    prototype[name] = function (...parameters) {
      before?.(this, parameters);
      const result = original.apply(this, parameters);
      after?.(this);
      return result;
    };
  };
  const read = gl => gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4));
  const drawn = gl => {
    if (!gl.__fresh || gl.__noted) {
      return;
    }
    gl.__noted = true;
    requestAnimationFrame(() => {
      gl.__fresh = gl.__noted = false;
      read(gl);
      painted.push(performance.now());
    });
  };
  const sized = (width, height) => gl => {
    gl.__fresh ||= width * height > PIXELS;
  };
  for (const { prototype } of [WebGLRenderingContext, WebGL2RenderingContext]) {
    wrap(prototype, 'texImage2D', (gl, p) => p.length >= 8 && p[p.length === 8 ? 7 : 8] && sized(p[3], p[4])(gl));
    wrap(prototype, 'texSubImage2D', (gl, p) => p.length >= 9 && sized(p[4], p[5])(gl));
    wrap(prototype, 'bufferData', (gl, p) => {
      gl.__fresh ||= p[1]?.byteLength > POINTS_BYTES;
    });
    wrap(prototype, 'bufferSubData', (gl, p) => {
      gl.__fresh ||= p[2]?.byteLength > POINTS_BYTES;
    });
    for (const draw of ['drawArrays', 'drawElements', 'drawArraysInstanced', 'drawElementsInstanced', 'drawRangeElements']) {
      wrap(prototype, draw, undefined, drawn);
    }
  }
})();
