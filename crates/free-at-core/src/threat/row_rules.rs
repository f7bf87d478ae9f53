//! Rows of a table that keep its rules: the nearest one, and steps towards others.

use burn::tensor::{Bool, DType, Device, FloatDType, Int, Tensor, TensorData};

use super::feature_rules::{Direction, FeatureRules};
use super::related_rows::RelatedRows;
use super::relation::Relation;

/// A multiple of a step that rounding moved, by a few units of single precision, is still one.
const ROUNDING: f64 = 2e-6;

/// [`FeatureRules`] on a device. Rows are flat here, `[n, features]`.
#[derive(Debug, Clone)]
pub(crate) struct RowRules {
    /// Which features may not rise, and which may not fall, `[1, features]` each; none if all may do both.
    barred: Option<[Tensor<2, Bool>; 2]>,
    steps: Option<Steps>,
    categories: Option<Categories>,
    related: Option<RelatedRows>,
}

#[derive(Debug, Clone)]
struct Steps {
    /// The step of each feature, 1 for those without, `[1, features]`.
    size: Tensor<2>,
    /// Which have one, `[1, features]`.
    stepped: Tensor<2, Bool>,
}

impl RowRules {
    /// The rules, with these relations, and those groups of categories that are not frozen.
    pub(crate) fn new(
        rules: &FeatureRules,
        relations: &[Relation],
        groups: &[&[usize]],
        device: &Device,
    ) -> Self {
        let features = rules.features();
        let row = |of: &dyn Fn(usize) -> f32| {
            let values: Vec<f32> = (0..features).map(of).collect();
            Tensor::<2>::from_data(TensorData::new(values, [1, features]), (device, DType::F32))
        };
        let any = |of: &dyn Fn(usize) -> bool| (0..features).any(of);
        let is = |feature, way| rules.direction(feature) == Some(way);
        let barred = any(&|feature| rules.direction(feature).is_some()).then(|| {
            [Direction::Down, Direction::Up].map(|way| row(&|f| f32::from(is(f, way))).bool())
        });
        let steps = any(&|feature| rules.step(feature).is_some()).then(|| Steps {
            size: row(&|feature| rules.step(feature).unwrap_or(1.0)),
            stepped: row(&|feature| f32::from(rules.step(feature).is_some())).bool(),
        });
        let categories = (!groups.is_empty()).then(|| Categories::new(groups, features, device));
        let related =
            (!relations.is_empty()).then(|| RelatedRows::new(relations, features, device));
        Self { barred, steps, categories, related }
    }

    /// `moved`, a row or a perturbation, without what went the wrong way from `start`.
    pub(crate) fn one_way(&self, start: &Tensor<2>, moved: Tensor<2>) -> Tensor<2> {
        let Some([no_rise, no_fall]) = self.barred(moved.dims()) else { return moved };
        let moved = moved.clone().mask_where(no_rise, moved.min_pair(start.clone()));
        moved.clone().mask_where(no_fall, moved.max_pair(start.clone()))
    }

    /// A perturbation whose every feature goes a way that it may, as far as before.
    pub(crate) fn turned(&self, delta: Tensor<2>) -> Tensor<2> {
        let Some([no_rise, no_fall]) = self.barred(delta.dims()) else { return delta };
        let length = delta.clone().abs();
        delta.mask_where(no_rise, length.clone().neg()).mask_where(no_fall, length)
    }

    /// How far features may fall and rise, `[n, features]` each: 0 where they may not at all.
    pub(crate) fn narrowed(&self, [low, high]: [Tensor<2>; 2]) -> [Tensor<2>; 2] {
        let Some([no_rise, no_fall]) = self.barred(low.dims()) else { return [low, high] };
        [low.mask_fill(no_fall, 0.0), high.mask_fill(no_rise, 0.0)]
    }

    fn barred(&self, shape: [usize; 2]) -> Option<[Tensor<2, Bool>; 2]> {
        self.barred.clone().map(|barred| barred.map(|features| features.expand(shape)))
    }

    /// Whether features follow from others.
    pub(crate) fn has_followers(&self) -> bool {
        self.related.as_ref().is_some_and(RelatedRows::has_followers)
    }

    /// Of a row or a perturbation, the features that do not follow from others.
    pub(crate) fn chosen(&self, rows: Tensor<2>) -> Tensor<2> {
        match &self.related {
            Some(related) => related.chosen(rows),
            None => rows,
        }
    }

    /// What holds between features, if anything does.
    pub(crate) fn related(&self) -> Option<&RelatedRows> {
        self.related.as_ref()
    }

    /// The rows with features that move in steps a step nearer to what keeps the limits between features, where they may
    /// move so: towards the input, or within `room`.
    pub(crate) fn stepped(
        &self,
        inputs: &Tensor<2>,
        rows: Tensor<2>,
        room: Option<&[Tensor<2>; 2]>,
    ) -> Tensor<2> {
        let (Some(steps), Some(related)) = (&self.steps, &self.related) else { return rows };
        let Some(direction) = related.direction(&rows) else { return rows };
        let moved = rows.clone() + direction * steps.size.clone();
        let (before, after) = (rows.clone() - inputs.clone(), moved.clone() - inputs.clone());
        let nearer = after.clone().abs().lower(before.abs());
        let may = match room {
            Some([low, high]) => {
                let inside = after.clone().greater_equal(low.clone());
                nearer.bool_or(inside.bool_and(after.lower_equal(high.clone())))
            }
            None => nearer,
        };
        let may = may.bool_and(steps.stepped.clone().expand(rows.dims()));
        rows.mask_where(may, moved)
    }

    /// Which features are categories that may change, `[1, features]`.
    pub(crate) fn in_categories(&self) -> Option<Tensor<2, Bool>> {
        self.categories.as_ref().map(|categories| categories.grouped.clone())
    }

    /// The signs of a step uphill: for the categories of a group, up for the one with the largest
    /// gradient and down for the others.
    pub(crate) fn signs(&self, gradient: &Tensor<2>, signs: Tensor<2>) -> Tensor<2> {
        match &self.categories {
            Some(categories) => categories.signs(gradient, signs),
            None => signs,
        }
    }

    /// The moved rows without what went the wrong way, with stepped features at whole steps from the
    /// input and one category in each group. Where `room` says how far features may fall and rise, the
    /// nearest step in it; else the next one towards the input, which is in any ball that the moved row
    /// is in.
    pub(crate) fn snap(
        &self,
        inputs: &Tensor<2>,
        moved: Tensor<2>,
        room: Option<[Tensor<2>; 2]>,
    ) -> Tensor<2> {
        let moved = self.one_way(inputs, moved);
        let moved = match &self.steps {
            Some(steps) => steps.snap(inputs, moved, room),
            None => moved,
        };
        match &self.categories {
            Some(categories) => categories.snap(inputs, moved),
            None => moved,
        }
    }
}

impl Steps {
    fn snap(
        &self,
        inputs: &Tensor<2>,
        moved: Tensor<2>,
        room: Option<[Tensor<2>; 2]>,
    ) -> Tensor<2> {
        let whole = |delta: Tensor<2>| delta / self.size.clone();
        let steps = whole(moved.clone() - inputs.clone());
        // x + δ − x has the precision of x, which may be a good part of a small step.
        let slack = whole(inputs.clone().abs() + moved.clone().abs()).mul_scalar(f32::EPSILON);
        let towards = |steps: Tensor<2>| {
            let length = steps.clone().abs().mul_scalar(1.0 + ROUNDING).add_scalar(ROUNDING);
            steps.sign() * (length + slack.clone()).floor()
        };
        let steps = match room {
            Some([low, high]) => {
                let (low, high) = (towards(whole(low)), towards(whole(high)));
                steps.round().max_pair(low).min_pair(high)
            }
            None => towards(steps),
        };
        // Counted from the input, so what has not moved by a step has not moved at all.
        let snapped = inputs.clone() + steps * self.size.clone();
        moved.mask_where(self.stepped.clone().expand(inputs.dims()), snapped)
    }
}

/// Groups of features of which one is 1, as `[n, groups, largest group]` and back.
#[derive(Debug, Clone)]
struct Categories {
    /// The feature at each place, `[groups · largest]`; smaller groups repeat their first.
    features: Tensor<1, Int>,
    /// Where that is a repetition, `[1, groups, largest]`.
    repeated: Tensor<3, Bool>,
    /// The place of each feature, `[features]`, and which features have one, `[1, features]`.
    places: Tensor<1, Int>,
    grouped: Tensor<2, Bool>,
}

impl Categories {
    fn new(groups: &[&[usize]], features: usize, device: &Device) -> Self {
        let largest = groups.iter().map(|group| group.len()).max().unwrap_or(0);
        let at = |place: usize| {
            let (group, member) = (groups[place / largest], place % largest);
            group.get(member).copied().ok_or(group[0])
        };
        let all = 0..groups.len() * largest;
        let mut places = vec![0i64; features];
        let mut grouped = vec![0.0f32; features];
        for place in all.clone() {
            if let Ok(feature) = at(place) {
                (places[feature], grouped[feature]) = (place as i64, 1.0);
            }
        }
        let named = |place| at(place).unwrap_or_else(|first| first) as i64;
        let named: Vec<i64> = all.clone().map(named).collect();
        let repeated: Vec<f32> = all.map(|place| f32::from(at(place).is_err())).collect();
        let float = (device, DType::F32);
        let shape = [1, groups.len(), largest];
        Self {
            features: Tensor::from_data(named.as_slice(), device),
            repeated: Tensor::<3>::from_data(TensorData::new(repeated, shape), float).bool(),
            places: Tensor::from_data(places.as_slice(), device),
            grouped: Tensor::<2>::from_data(TensorData::new(grouped, [1, features]), float).bool(),
        }
    }

    fn gather(&self, rows: Tensor<2>) -> Tensor<3> {
        let [_, groups, largest] = self.repeated.dims();
        let n = rows.dims()[0];
        rows.select(1, self.features.clone()).reshape([n, groups, largest])
    }

    fn scatter(&self, values: Tensor<3>, rows: Tensor<2>) -> Tensor<2> {
        let back = values.flatten::<2>(1, 2).select(1, self.places.clone());
        let grouped = self.grouped.clone().expand(rows.dims());
        rows.mask_where(grouped, back)
    }

    /// 1 for the largest of each group and 0 for the others. Of equals the `preferred` one, or else the
    /// first.
    fn largest(&self, values: Tensor<3>, preferred: Option<Tensor<3>>) -> Tensor<3> {
        let shape = values.dims();
        let repeated = self.repeated.clone().expand(shape);
        let values = values.mask_fill(repeated, f32::NEG_INFINITY);
        let equals = values.clone().equal(values.max_dim(2).expand(shape)).cast(FloatDType::F32);
        // Whole numbers, all different where there are several: no tie is left.
        let order = Tensor::<1, Int>::arange(0..shape[2] as i64, &equals.device()).float();
        let order = order.neg().add_scalar(shape[2] as f64).reshape([1, 1, shape[2]]);
        let rank = match preferred {
            Some(preferred) => order + preferred.mul_scalar(2.0 * shape[2] as f64),
            None => order.expand(shape),
        };
        let rank = equals * rank;
        rank.clone().equal(rank.max_dim(2).expand(shape)).cast(FloatDType::F32)
    }

    fn signs(&self, gradient: &Tensor<2>, signs: Tensor<2>) -> Tensor<2> {
        let gathered = self.gather(gradient.clone());
        let shape = gathered.dims();
        // Equal throughout: no category is better than another.
        let lowest = gathered.clone().mask_fill(self.repeated.clone().expand(shape), f32::INFINITY);
        let level = lowest.min_dim(2).equal(self.gather(gradient.clone()).max_dim(2));
        let up = self.largest(gathered, None).mul_scalar(2.0).sub_scalar(1.0);
        self.scatter(up.mask_fill(level.expand(shape), 0.0), signs)
    }

    fn snap(&self, inputs: &Tensor<2>, moved: Tensor<2>) -> Tensor<2> {
        let chosen = self.largest(self.gather(moved.clone()), Some(self.gather(inputs.clone())));
        self.scatter(chosen, moved)
    }
}

#[cfg(test)]
mod tests;
