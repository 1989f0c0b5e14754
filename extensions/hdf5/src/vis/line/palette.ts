/** Colours of curves that differ for everybody (Okabe and Ito), in both themes. */
const LIGHT = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#8a6d00', '#56b4e9', '#000000', '#e69f00'];
const DARK = ['#56b4e9', '#e69f00', '#2fc79a', '#e39cc4', '#f0e442', '#7fb2ff', '#f2f2f2', '#ff8a5c'];

export function curveColour(index: number, theme: 'light' | 'dark'): string {
  const palette = theme === 'dark' ? DARK : LIGHT;
  return palette[index % palette.length];
}
