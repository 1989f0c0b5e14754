import { LabIcon } from '@jupyterlab/ui-components';

const SVG = `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 16 16">
  <g class="jp-icon3" style="fill:none" stroke="#616161" stroke-width="1.3" stroke-linejoin="round">
    <path d="M8 1.7 14 5 8 8.3 2 5z"/><path d="M2 8l6 3.3L14 8"/><path d="M2 11l6 3.3L14 11"/>
  </g>
</svg>`;

/** A stack of frames. */
export const hdf5Icon = new LabIcon({ name: '@panosc/jupyterlab-hdf5:icon', svgstr: SVG });
