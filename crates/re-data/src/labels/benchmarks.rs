//! The classes of public benchmarks, in the order in which each one numbers them.

use super::LabelSet;

impl LabelSet {
    /// The 30 classes of KLUE-RE (Park et al. 2021, arXiv:2105.09680), `no_relation` first, in the order of the
    /// benchmark's own list.
    ///
    /// ```
    /// let labels = re_data::LabelSet::klue_re();
    /// assert_eq!((labels.len(), labels.no_relation(), labels.id("per:title")), (30, Some(0), Some(29)));
    /// ```
    pub fn klue_re() -> Self {
        Self::known(&KLUE_RE, 0)
    }

    /// The classes of KLUE-RE in the order in which course competitions number them (`dict_label_to_num.pkl`): that
    /// of the probabilities in submissions to the course competitions.
    ///
    /// ```
    /// let labels = re_data::LabelSet::klue_re_submission();
    /// assert_eq!((labels.len(), labels.no_relation(), labels.id("per:title")), (30, Some(0), Some(4)));
    /// ```
    pub fn klue_re_submission() -> Self {
        Self::known(&KLUE_RE_SUBMISSION, 0)
    }

    /// The 19 classes of SemEval-2010 Task 8 (Hendrickx et al. 2010): nine relations in alphabetic order with two
    /// directions each, then `Other`.
    ///
    /// ```
    /// let labels = re_data::LabelSet::semeval_2010_task8();
    /// assert_eq!((labels.len(), labels.no_relation(), labels.name(1)), (19, Some(18), Some("Cause-Effect(e2,e1)")));
    /// ```
    pub fn semeval_2010_task8() -> Self {
        Self::known(&SEMEVAL_2010_TASK8, 18)
    }

    /// The 42 classes of TACRED (Zhang et al. 2017), `no_relation` first and then in the order of the authors' code.
    ///
    /// ```
    /// let labels = re_data::LabelSet::tacred();
    /// assert_eq!((labels.len(), labels.no_relation(), labels.id("per:title")), (42, Some(0), Some(1)));
    /// ```
    pub fn tacred() -> Self {
        Self::known(&TACRED, 0)
    }

    /// A set of names that are known to be different.
    fn known(names: &[&str], no_relation: usize) -> Self {
        Self {
            names: names.iter().map(|&name| name.to_owned()).collect(),
            ids: names.iter().enumerate().map(|(id, &name)| (name.to_owned(), id)).collect(),
            no_relation: Some(no_relation),
        }
    }
}

const KLUE_RE: [&str; 30] = [
    "no_relation",
    "org:dissolved",
    "org:founded",
    "org:place_of_headquarters",
    "org:alternate_names",
    "org:member_of",
    "org:members",
    "org:political/religious_affiliation",
    "org:product",
    "org:founded_by",
    "org:top_members/employees",
    "org:number_of_employees/members",
    "per:date_of_birth",
    "per:date_of_death",
    "per:place_of_birth",
    "per:place_of_death",
    "per:place_of_residence",
    "per:origin",
    "per:employee_of",
    "per:schools_attended",
    "per:alternate_names",
    "per:parents",
    "per:children",
    "per:siblings",
    "per:spouse",
    "per:other_family",
    "per:colleagues",
    "per:product",
    "per:religion",
    "per:title",
];

const KLUE_RE_SUBMISSION: [&str; 30] = [
    "no_relation",
    "org:top_members/employees",
    "org:members",
    "org:product",
    "per:title",
    "org:alternate_names",
    "per:employee_of",
    "org:place_of_headquarters",
    "per:product",
    "org:number_of_employees/members",
    "per:children",
    "per:place_of_residence",
    "per:alternate_names",
    "per:other_family",
    "per:colleagues",
    "per:origin",
    "per:siblings",
    "per:spouse",
    "org:founded",
    "org:political/religious_affiliation",
    "org:member_of",
    "per:parents",
    "org:dissolved",
    "per:schools_attended",
    "per:date_of_death",
    "per:date_of_birth",
    "per:place_of_birth",
    "per:place_of_death",
    "org:founded_by",
    "per:religion",
];

const SEMEVAL_2010_TASK8: [&str; 19] = [
    "Cause-Effect(e1,e2)",
    "Cause-Effect(e2,e1)",
    "Component-Whole(e1,e2)",
    "Component-Whole(e2,e1)",
    "Content-Container(e1,e2)",
    "Content-Container(e2,e1)",
    "Entity-Destination(e1,e2)",
    "Entity-Destination(e2,e1)",
    "Entity-Origin(e1,e2)",
    "Entity-Origin(e2,e1)",
    "Instrument-Agency(e1,e2)",
    "Instrument-Agency(e2,e1)",
    "Member-Collection(e1,e2)",
    "Member-Collection(e2,e1)",
    "Message-Topic(e1,e2)",
    "Message-Topic(e2,e1)",
    "Product-Producer(e1,e2)",
    "Product-Producer(e2,e1)",
    "Other",
];

const TACRED: [&str; 42] = [
    "no_relation",
    "per:title",
    "org:top_members/employees",
    "per:employee_of",
    "org:alternate_names",
    "org:country_of_headquarters",
    "per:countries_of_residence",
    "org:city_of_headquarters",
    "per:cities_of_residence",
    "per:age",
    "per:stateorprovinces_of_residence",
    "per:origin",
    "org:subsidiaries",
    "org:parents",
    "per:spouse",
    "org:stateorprovince_of_headquarters",
    "per:children",
    "per:other_family",
    "per:alternate_names",
    "org:members",
    "per:siblings",
    "per:schools_attended",
    "per:parents",
    "per:date_of_death",
    "org:member_of",
    "org:founded_by",
    "org:website",
    "per:cause_of_death",
    "org:political/religious_affiliation",
    "org:founded",
    "per:city_of_death",
    "org:shareholders",
    "org:number_of_employees/members",
    "per:date_of_birth",
    "per:city_of_birth",
    "per:charges",
    "per:stateorprovince_of_death",
    "per:religion",
    "per:stateorprovince_of_birth",
    "per:country_of_birth",
    "org:dissolved",
    "per:country_of_death",
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_set_is_what_its_names_give() {
        let klue = [LabelSet::klue_re(), LabelSet::klue_re_submission()];
        for labels in klue.iter().cloned().chain([LabelSet::semeval_2010_task8(), LabelSet::tacred()]) {
            assert_eq!(LabelSet::new(labels.names().iter().cloned()).unwrap(), labels);
        }
        let [a, b] = klue.map(|labels| BTreeSet::from_iter(labels.names().to_vec()));
        assert_eq!(a, b);
    }
}
