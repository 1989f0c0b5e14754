/** A picture of what is shown: the WebGL canvas, and over it axes, title and colour bar as they look on the screen. */

const COPIED = ['fill', 'stroke', 'stroke-width', 'stroke-opacity', 'stroke-dasharray', 'font-family', 'font-size', 'font-weight', 'text-anchor', 'opacity', 'fill-opacity'];
const SCALE = 2;

/** Draw the element onto a canvas of its own. */
export async function snapshot(element: HTMLElement, background: string): Promise<Blob> {
  const frame = element.getBoundingClientRect();
  const canvas = document.createElement('canvas');
  canvas.width = Math.round(frame.width * SCALE);
  canvas.height = Math.round(frame.height * SCALE);
  const context = canvas.getContext('2d')!;
  context.scale(SCALE, SCALE);
  context.translate(-frame.left, -frame.top);
  context.fillStyle = background;
  context.fillRect(frame.left, frame.top, frame.width, frame.height);
  for (const picture of element.querySelectorAll('canvas')) {
    const { left, top, width, height } = picture.getBoundingClientRect();
    context.imageSmoothingEnabled = false;
    context.drawImage(picture, left, top, width, height);
  }
  for (const gradient of element.querySelectorAll<HTMLElement>('[data-keep-colors]')) {
    drawGradient(context, gradient);
  }
  for (const svg of element.querySelectorAll('svg')) {
    if (!svg.closest('button') && svg.getBoundingClientRect().width > 0) {
      await drawSvg(context, svg);
    }
  }
  for (const text of element.querySelectorAll<HTMLElement>('p')) {
    drawText(context, text);
  }
  return new Promise((resolve, reject) =>
    canvas.toBlob(blob => (blob ? resolve(blob) : reject(new Error('The browser could not make a picture.'))), 'image/png')
  );
}

async function drawSvg(context: CanvasRenderingContext2D, svg: SVGSVGElement): Promise<void> {
  const { left, top, width, height } = svg.getBoundingClientRect();
  const copy = svg.cloneNode(true) as SVGSVGElement;
  const originals = [svg, ...svg.querySelectorAll<SVGElement>('*')];
  const copies = [copy, ...copy.querySelectorAll<SVGElement>('*')];
  originals.forEach((original, i) => {
    const style = getComputedStyle(original);
    for (const name of COPIED) {
      copies[i].style.setProperty(name, style.getPropertyValue(name));
    }
  });
  copy.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
  copy.setAttribute('width', String(width));
  copy.setAttribute('height', String(height));
  // labels of ticks reach beyond the axis' own box
  const margin = 60;
  copy.setAttribute('viewBox', `${-margin} ${-margin} ${width + 2 * margin} ${height + 2 * margin}`);
  copy.setAttribute('width', String(width + 2 * margin));
  copy.setAttribute('height', String(height + 2 * margin));
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(new XMLSerializer().serializeToString(copy))}`;
  await image.decode();
  context.drawImage(image, left - margin, top - margin);
}

/** The colours of a `linear-gradient(to …, …)`, in its order. */
export function gradientStops(backgroundImage: string): { direction: string; colours: string[] } | undefined {
  const inner = /^linear-gradient\((.*)\)$/s.exec(backgroundImage)?.[1];
  const direction = inner && /^to (top|bottom|left|right)/.exec(inner)?.[1];
  if (!inner) {
    return undefined;
  }
  // the browser writes the standard direction, to the bottom, as none
  const colours = inner.match(/rgba?\([^)]*\)|#[0-9a-f]{3,8}/gi) ?? [];
  return colours.length > 1 ? { direction: direction || 'bottom', colours } : undefined;
}

function drawGradient(context: CanvasRenderingContext2D, element: HTMLElement): void {
  const stops = gradientStops(getComputedStyle(element).backgroundImage);
  if (!stops) {
    return;
  }
  const { left, right, top, bottom, width, height } = element.getBoundingClientRect();
  const ends: Record<string, [number, number, number, number]> = {
    top: [0, bottom, 0, top],
    bottom: [0, top, 0, bottom],
    right: [left, 0, right, 0],
    left: [right, 0, left, 0]
  };
  const gradient = context.createLinearGradient(...ends[stops.direction]);
  stops.colours.forEach((colour, i) => gradient.addColorStop(i / (stops.colours.length - 1), colour));
  context.fillStyle = gradient;
  context.fillRect(left, top, width, height);
}

function drawText(context: CanvasRenderingContext2D, element: HTMLElement): void {
  const { left, top, width, height } = element.getBoundingClientRect();
  const style = getComputedStyle(element);
  context.font = `${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
  context.fillStyle = style.color;
  context.textAlign = 'center';
  context.textBaseline = 'middle';
  context.fillText(element.textContent ?? '', left + width / 2, top + height / 2);
}
