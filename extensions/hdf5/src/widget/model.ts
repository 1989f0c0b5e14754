import { DOMWidgetModel, DOMWidgetView } from '@jupyter-widgets/base';
import type { JSONObject } from '@lumino/coreutils';
import { createElement } from 'react';
import { createRoot } from 'react-dom/client';
import type { Root } from 'react-dom/client';
import { CommKernel } from '../api/comm';
import type { IClient } from '../api/client';
import type { IViewState } from '../state/viewState';
import { WidgetApp } from './WidgetApp';
import { chooseClients } from './clients';
import type { IClients } from './clients';
import type { IPlace } from './place';
import { TRAITS, changed, stateOf, traitsOf } from './traits';

const MODULE = '@panosc/jupyterlab-hdf5';

/** The kernel's `HDF5View`. */
export class HDF5ViewModel extends DOMWidgetModel {
  private _kernel?: CommKernel;
  private _clients?: Promise<IClients>;

  defaults(): Backbone.ObjectHash {
    return {
      ...super.defaults(),
      _model_name: 'HDF5ViewModel',
      _model_module: MODULE,
      _view_name: 'HDF5ViewView',
      _view_module: MODULE,
      _place: {},
      path: '',
      h5path: '/',
      height: 480
    };
  }

  initialize(attributes: Backbone.ObjectHash, options: Parameters<DOMWidgetModel['initialize']>[1]): void {
    super.initialize(attributes, options);
    this.on('change:_place', () => (this._clients = undefined));
    this.on('destroy close', () => this._kernel?.dispose());
  }

  /** Who answers about this file: the server if it has it, else the kernel. */
  clients(): Promise<IClients> {
    this._kernel ??= new CommKernel({
      send: message => this.send(message as JSONObject, {}),
      listen: receive => {
        this.on('msg:custom', receive);
        return () => this.off('msg:custom', receive);
      }
    });
    const kernel = this._kernel;
    const path = String(this.get('path'));
    this._clients ??= chooseClients(this.get('_place') as IPlace, {
      own: () => kernel.client(path),
      other: (file: string): IClient => kernel.client(file, file)
    });
    return this._clients;
  }

  /** What the traits say. */
  state(): IViewState {
    return stateOf(trait => this.get(trait));
  }

  /** Tell the kernel what is shown now. */
  adopt(state: IViewState, from: HDF5ViewView): void {
    const difference = changed(trait => this.get(trait), traitsOf(state));
    if (Object.keys(difference).length) {
      this.set(difference, { from });
      this.save_changes();
    }
  }
}

/** One place in the notebook where it is shown. */
export class HDF5ViewView extends DOMWidgetView {
  declare model: HDF5ViewModel;
  private _root?: Root;
  /** Has the height; that of `el` belongs to the widget's layout. */
  private readonly _box = document.createElement('div');
  private _waiting = false;

  render(): void {
    super.render();
    this.el.classList.add('jp-HDF5-widget');
    this.listenTo(this.model, 'change:_place', () => this._draw());
    this.listenTo(this.model, 'change:height', () => this._resize());
    this.listenTo(this.model, TRAITS.map(trait => `change:${trait}`).join(' '), this._traitsChanged);
    this._resize();
    this.el.style.width = '100%';
    this.el.appendChild(this._box);
    this._root = createRoot(this._box);
    this._draw();
  }

  remove(): void {
    const root = this._root;
    this._root = undefined;
    // React must not be unmounted while it renders.
    setTimeout(() => root?.unmount());
    super.remove();
  }

  private _resize(): void {
    this._box.style.cssText = 'display: flex; flex-direction: column; min-width: 0';
    this._box.style.height = `${Number(this.model.get('height')) || 480}px`;
  }

  private _traitsChanged = (_model: unknown, _value: unknown, options?: { from?: HDF5ViewView }): void => {
    if (options?.from !== this && !this._waiting) {
      // One message may change several traits: they are drawn together.
      this._waiting = true;
      queueMicrotask(() => this._draw());
    }
  };

  private _draw(): void {
    this._waiting = false;
    this._root?.render(
      createElement(WidgetApp, {
        key: String(this.model.get('path')),
        clients: this.model.clients(),
        initial: this.model.state(),
        onState: state => this.model.adopt(state, this)
      })
    );
  }
}
