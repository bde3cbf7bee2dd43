import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Counter, exposition, Histogram, Reading } from '../../src/prometheus/index.ts'

test('a counter is written with its help, type and labels', () => {
  const counter = new Counter({ name: 'calls_total', help: 'Calls.', labels: ['operation', 'status'] })
  counter.with('Invoke', '200').inc()
  counter.with('Invoke', '200').inc(2.5)
  counter.with('Converse', '500').inc(0)
  assert.equal(exposition([counter]), [
    '# HELP calls_total Calls.', '# TYPE calls_total counter',
    'calls_total{operation="Invoke",status="200"} 3.5', 'calls_total{operation="Converse",status="500"} 0', '',
  ].join('\n'))
})

test('without labels there is a sample from the start', () => {
  assert.equal(exposition([new Counter({ name: 'a_total', help: 'A.' })]), '# HELP a_total A.\n# TYPE a_total counter\na_total 0\n')
})

test('backslash, quote and line feed are escaped where the format says so; other characters are not touched', () => {
  const counter = new Counter({ name: 'a_total', help: 'a\\b"c\nd', labels: ['l'] })
  counter.with('a\\b"c\nd\té').inc()
  assert.equal(exposition([counter]), '# HELP a_total a\\\\b"c\\nd\n# TYPE a_total counter\na_total{l="a\\\\b\\"c\\nd\té"} 1\n')
})

test('a histogram is cumulative, ends with +Inf, and a value on a bound is within it', () => {
  const histogram = new Histogram({ name: 'time_seconds', help: 'T.', labels: ['l'] }, [0.1, 1, 10])
  for (const value of [0.1, 0.2, 1, 5, 100]) histogram.with('x').observe(value)
  assert.deepEqual(exposition([histogram]).split('\n').slice(2, -1), [
    'time_seconds_bucket{l="x",le="0.1"} 1', 'time_seconds_bucket{l="x",le="1"} 3', 'time_seconds_bucket{l="x",le="10"} 4',
    'time_seconds_bucket{l="x",le="+Inf"} 5', 'time_seconds_sum{l="x"} 106.3', 'time_seconds_count{l="x"} 5',
  ])
})

test('a reading is asked when the metrics are; without a value there is no sample', () => {
  let value: number | undefined
  const reading = new Reading('gauge', 'age_seconds', 'Age.', () => value)
  const many = new Reading('gauge', 'delay_seconds', 'Delay.', () => [[[['stat', 'max']], Infinity], [[['stat', 'min']], -Infinity], [[['stat', 'mean']], NaN]])
  assert.equal(exposition([reading]), '# HELP age_seconds Age.\n# TYPE age_seconds gauge\n')
  value = 1e21
  assert.equal(exposition([reading]).split('\n')[2], 'age_seconds 1e+21')
  assert.deepEqual(exposition([many]).split('\n').slice(2, -1), ['delay_seconds{stat="max"} +Inf', 'delay_seconds{stat="min"} -Inf', 'delay_seconds{stat="mean"} NaN'])
})

test('a value that a label does not list counts as other', () => {
  const counter = new Counter({ name: 'a_total', help: 'A.', labels: [{ name: 'family', values: ['claude', 'nova'] }, 'status'] })
  for (const family of ['claude', 'evil', 'worse', '__proto__']) counter.with(family, '200').inc()
  assert.deepEqual(exposition([counter]).split('\n').slice(2, -1), ['a_total{family="claude",status="200"} 1', 'a_total{family="other",status="200"} 3'])
})

test('the number of series is bounded: what is beyond counts as other, and nothing is lost', () => {
  const counter = new Counter({ name: 'a_total', help: 'A.', labels: ['x', 'y'], maxSeries: 10 })
  for (let i = 0; i < 100; i++) counter.with(String(i), 'y').inc()
  const lines = exposition([counter]).split('\n').slice(2, -1)
  assert.equal(lines.length, 11)
  assert.equal(lines.at(-1), 'a_total{x="other",y="other"} 90')
})

test('a metric or label without a proper name, and a series without a value for each label, are our own mistakes', () => {
  for (const name of ['', '1a', 'a-b', 'a b', 'ä']) assert.throws(() => new Counter({ name, help: '' }), TypeError)
  for (const label of ['', '1a', '__a', 'le', 'a:b']) assert.throws(() => new Counter({ name: 'a', help: '', labels: [label] }), TypeError)
  assert.throws(() => new Counter({ name: 'a', help: '', labels: ['b'] }).with(), TypeError)
  assert.throws(() => new Counter({ name: 'a', help: '' }).with('b'), TypeError)
})
