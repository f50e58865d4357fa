"use strict";
/* A trained autoencoder in plain JavaScript: what Keras computes, in loops that can be read.

   A feature map is one array in the order of Keras: row by row, in a row pixel by pixel, in a pixel filter by filter.
   So value (y, x, filter) stands at index (y · width + x) · filters + filter. The innermost loop of each layer runs
   over filters, which lie side by side in memory. Batch normalisation is already folded into the convolutions. */

/** Reads base64 as bytes. */
function bytesOf(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

/** Reads base64 as numbers of 16 bits: 1 for the sign, 5 for the exponent, 10 for the fraction. */
function halvesOf(text) {
  const bytes = bytesOf(text);
  const numbers = new Float64Array(bytes.length / 2);
  for (let i = 0; i < numbers.length; i++) {
    const bits = bytes[2 * i] + 256 * bytes[2 * i + 1];
    const exponent = (bits >> 10) & 31;
    const fraction = (bits & 1023) / 1024;
    const size = exponent ? 2 ** (exponent - 15) * (1 + fraction) : 2 ** -14 * fraction;
    numbers[i] = bits >> 15 ? -size : size;
  }
  return numbers;
}

/** Adds input × kernel to the output: what each layer with weights does, at different places. */
function addProduct(output, at, filters, input, from, channels, kernel, row) {
  for (let c = 0; c < channels; c++) {
    const value = input[from + c];
    if (value === 0) continue; // after a ReLU many are
    const start = row + c * filters;
    for (let f = 0; f < filters; f++) output[at + f] += value * kernel[start + f];
  }
}

/** Fills a feature map with the bias of each filter. */
function filledWith(bias, length) {
  const output = new Float64Array(length);
  for (let i = 0; i < length; i += bias.length) output.set(bias, i);
  return output;
}

function dense(layer, input) {
  const output = filledWith(layer.bias, layer.bias.length);
  addProduct(output, 0, output.length, input, 0, input.length, layer.kernel, 0);
  return output;
}

/** Visits each pair of a pixel in the large map and one in the small map that a strided kernel connects.

    Pixel (y, x) of the small map is connected with (stride · y + i − 1, stride · x + j − 1) of the large one, where
    (i, j) is the place in the kernel; the 1 is the padding. A convolution goes from large to small, a transposed
    convolution from small to large. */
function connect(large, small, size, stride, visit) {
  for (let y = 0; y < small[0]; y++) {
    for (let x = 0; x < small[1]; x++) {
      for (let i = 0; i < size; i++) {
        const bigY = stride * y + i - 1;
        if (bigY < 0 || bigY >= large[0]) continue;
        for (let j = 0; j < size; j++) {
          const bigX = stride * x + j - 1;
          if (bigX < 0 || bigX >= large[1]) continue;
          visit(bigY * large[1] + bigX, y * small[1] + x, i * size + j);
        }
      }
    }
  }
}

function conv(layer, input) {
  const [height, width, filters] = layer.output;
  const channels = layer.input[2];
  const output = filledWith(layer.bias, height * width * filters);
  connect(layer.input, layer.output, layer.size, layer.stride, (big, small, place) => {
    const row = place * channels * filters;
    addProduct(output, small * filters, filters, input, big * channels, channels, layer.kernel, row);
  });
  return output;
}

function convTranspose(layer, input) {
  const [height, width, filters] = layer.output;
  const channels = layer.input[2];
  const output = filledWith(layer.bias, height * width * filters);
  connect(layer.output, layer.input, layer.size, layer.stride, (big, small, place) => {
    const row = place * channels * filters;
    addProduct(output, big * filters, filters, input, small * channels, channels, layer.kernel, row);
  });
  return output;
}

const LAYERS = {
  conv,
  conv_transpose: convTranspose,
  dense,
  reshape: (layer, input) => input, // the same numbers in the same order
  relu: (layer, input) => input.map((value) => Math.max(0, value)),
  leaky_relu: (layer, input) => input.map((value) => (value < 0 ? layer.slope * value : value)),
  sigmoid: (layer, input) => input.map((value) => 1 / (1 + Math.exp(-value))),
};

/** One of the networks that this page holds, with the weights of this build. */
class Autoencoder {
  constructor(data) {
    this.seed = data.seed;
    this.latentDim = data.latent_dim;
    const weights = halvesOf(data.weights);
    let read = 0;
    const take = (count) => weights.subarray(read, (read += count));
    const withWeights = (layer) => {
      const { kind, input, output, size } = layer;
      const channels = input[input.length - 1];
      const filters = output[output.length - 1];
      if (kind === "dense") return { ...layer, kernel: take(channels * filters), bias: take(filters) };
      if (kind === "conv") return { ...layer, kernel: take(size * size * channels * filters), bias: take(filters) };
      if (kind === "conv_transpose") {
        const kernel = swapped(take(size * size * filters * channels), filters, channels);
        return { ...layer, kernel, bias: take(filters) };
      }
      return layer;
    };
    this.encoder = data.encoder?.map(withWeights); // a page that does not need it has none
    this.decoder = data.decoder?.map(withWeights);
  }

  /** Returns the latents of an image of 784 numbers from 0 to 1. */
  encode(image) {
    return pass(this.encoder, image);
  }

  /** Returns the image, 784 numbers from 0 to 1, that latents stand for. */
  decode(latents) {
    return pass(this.decoder, latents);
  }
}

/** Principal component analysis with the first components: the best linear code of that length. */
class PCA {
  constructor(data, length) {
    this.mean = halvesOf(data.mean);
    this.components = halvesOf(data.components).subarray(0, length * this.mean.length);
    this.latentDim = length;
  }

  encode(image) {
    const size = this.mean.length;
    const rows = Array.from({ length: this.latentDim }, (_, c) => this.components.subarray(c * size, (c + 1) * size));
    return rows.map((row) => row.reduce((sum, weight, i) => sum + weight * (image[i] - this.mean[i]), 0));
  }

  decode(latents) {
    const image = dense({ kernel: this.components, bias: this.mean }, latents);
    return image.map((value) => Math.min(1, Math.max(0, value))); // a linear code leaves this range
  }
}

function pass(layers, input) {
  return layers.reduce((values, layer) => LAYERS[layer.kind](layer, values), Float64Array.from(input));
}

/** Keras keeps the kernel of a transposed convolution as (…, filters, channels): returns it as (…, channels, filters). */
function swapped(kernel, filters, channels) {
  const other = new Float64Array(kernel.length);
  const block = filters * channels;
  for (let start = 0; start < kernel.length; start += block) {
    for (let f = 0; f < filters; f++) {
      for (let c = 0; c < channels; c++) other[start + c * filters + f] = kernel[start + f * channels + c];
    }
  }
  return other;
}
